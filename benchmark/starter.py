"""What a new study starts from: every key with what it means, and a file for the corpora that are there.

The reference is made of the specs themselves, so it cannot fall behind them; docs/study.md shows it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import re
import shlex
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.beside import RUN
from benchmark.study import SPECS, Study, exhibits, names
from benchmark.study_file import study_name
from serkit import corpora
from serkit.effects import ALLOWED, EFFECTS
from serkit.errors import CorpusMissing, CorpusUnfit, SpecError
from serkit.labels import SWAP, permuted
from serkit.settings import BOUNDS, check
from serkit.specs import CHECKPOINTS, FRONT_ENDS, CorpusSpec

WIDTH = 100
JOINT_FOLDS = 5
"""Folds of corpora whose reader takes any number: as many as EmoDB has."""

ON_A_CPU = """\
# To learn something on a CPU in place of the pretrained CNN14, which a GPU is wanted for:
# [model]
# width = 8
# weights = ""
# [recipe]
# learning_rate = 1e-3
# batch_size = 16
# epochs = 24
# tail = 0.25
# max_seconds = 3.0
"""
EXAMPLES: dict[str, Any] = {"loudness_dbfs": -26.0, "settings": {}, "freeze": ["encoder"]}
EXAMPLES |= {"encoder_learning_rate": 1e-5}
"""Values of settings that are off by default."""
LISTED = {"FRONT_ENDS": FRONT_ENDS, "CHECKPOINTS": tuple(CHECKPOINTS), "EFFECTS": EFFECTS}
MORE = """\
# A corpus in a table or in parquet files, or one of several databases, is named (docs/corpora.md):
# [corpora.mine]
# reader = "tables"
# options = { file = "mine/clips.csv", folds = 5 }
"""


def attributes(spec: type) -> dict[str, str]:
    """What a docstring says of each attribute, as one paragraph."""
    text = (inspect.getdoc(spec) or "").partition("Attributes:\n")[2]
    for name, values in LISTED.items():
        text = text.replace(f"`{name}`", ", ".join(values))
    found = re.findall(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", text, re.MULTILINE)
    return {attribute: " ".join(said.split()).replace("None:", "left out:") for attribute, said in found}


def reference() -> str:
    """A study with every key at its default, which means the same as one with none of them."""
    study, corpus = attributes(Study), attributes(CorpusSpec)
    optional = [field for field in dataclasses.fields(Study) if field.default is not dataclasses.MISSING]
    bounds = {"rates_percent": "run.augment_percent", "seeds": "run.seed"}
    follows = "Left out, it follows from reader and options."
    folds = f"{corpus['folds']} {follows}"
    trainings = f"{corpus['trainings'].partition(' left out:')[0]} {follows}"
    lines = [
        _line("title", "What a study looks like", study["title"]),
        *(_line(at.name, at.default, study[at.name] + _expected(bounds.get(at.name, ""))) for at in optional),
        *(_fields(table, of) for table, of in SPECS.items()),
        _table("corpora.mine", "A corpus; `mine` is the study's word for it, in ids and below."),
        _line("reader", "audformat", "its reader (docs/corpora.md)."),
        _line("title", "mine", f"{study['titles']} Unless given: its own, or of a layout that word."),
        _line("folds", 5, folds, "corpus"),
        _line("trainings", 5, trainings, "corpus", off=True),
        _line("expected_training_clips", 1000, study["expected_training_clips"], "corpus"),
        _line("max_training_clips", 200, corpus["max_training_clips"], "corpus", off=True),
        _table("corpora.mine.options", corpus["options"]),
        _line("folds", 5, "an option of this reader's."),
        _table("corpora.mine.scramble", corpus["scramble"]),
        *(_line(label, other) for label, other in SWAP.items()),
        _table("corpora.emodb", "Another corpus."),
        _line("reader", "emodb"),
    ]
    for name, kind in exhibits().items():
        said, keys = kind.REFERENCE[name]
        lines.append(_table(name, said))
        for key, (value, means, *bounds) in keys.items():
            lines.append(
                _line(key, value, means if isinstance(means, str) else attributes(means)[key], *bounds)
            )
    return "".join(lines)


def _fields(table: str, spec: type) -> str:
    """A table of a spec's fields at their defaults; where the default is none, an example that is off."""
    said, text = attributes(spec), _table(table, f"{spec.__doc__}".partition("\n")[0])
    for field in dataclasses.fields(spec):
        value = EXAMPLES.get(field.name, field.default)
        text += _line(field.name, value, said[field.name], table, off=field.default in (None, ()))
    return text


def _table(name: str, said: str = "") -> str:
    return f"\n{_comment(said)}[{name}]\n"


def _line(key: str, value: Any, said: str = "", table: str = "", off: bool = False) -> str:
    """A key at a value, under what it means and, of a table with bounds, what it may be."""
    comment = _comment(said + _expected(f"{table}.{key}"))
    return f"{comment}{'# ' * off}{key} = {_toml(value)}\n"


def _toml(value: Any) -> str:
    """A value as TOML writes it: as JSON, but for tables."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(of)}" for key, of in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _expected(setting: str) -> str:
    table, _, key = setting.partition(".")
    if table == "augmentation" and key in ALLOWED:
        return " Expected: within {:g}..{:g}.".format(*ALLOWED[key])
    return f" Expected: {BOUNDS[setting]}." if setting in BOUNDS else ""


def _comment(said: str) -> str:
    return textwrap.indent(textwrap.fill(said[:1].upper() + said[1:], WIDTH - 2), "# ") + "\n" * bool(said)


def start(name: str, data: Path | None) -> Path:
    """Writes a study of the corpora below `data`; `name` is its own or its file's, with or without `.toml`.

    Raises SpecError: a name that no study can have, a file that is there already or cannot be written.
    """
    file = Path(name if name.endswith(".toml") else f"{name}.toml")
    check(file.stem not in names(), f"{file.stem} is a built-in study; give yours another name")
    text = starter(study_name(file), found(data))
    try:
        with file.open("x", encoding="utf-8") as draft:
            draft.write(text)
    except FileExistsError as error:
        raise SpecError(f"{file} is there already; give the study another name, or move it away") from error
    except (OSError, ValueError) as error:
        raise SpecError(f"{file} cannot be written: {getattr(error, 'strerror', error)}") from error
    return file


def found(data: Path | None) -> dict[str, dict[str, Any]]:
    """The readers whose corpus is there, each with the options that let most corpora be trained jointly.

    Raises CorpusMissing: none is there.
    """
    if data is None:
        raise CorpusMissing("SERKIT_DATA is not set; point it at the folder your corpora lie in")
    here = []
    for name in corpora.names():
        with contextlib.suppress(CorpusMissing, CorpusUnfit, SpecError):  # not there, or one of several
            if not hasattr(corpora.reader(name), "generate"):
                corpora.find(name, data, corpora.checked_options(name, {}))
                here.append(name)
    if not here:
        raise CorpusMissing(
            f"no corpus to start a study with was found at or below {data}, where SERKIT_DATA points; python"
            " -m benchmark doctor says what was looked for, docs/corpora.md how to get it"
        )
    choices = {name: corpora.reader(name).OPTIONS.get("folds") for name in here}
    given = [corpora.folds(name, {}) for name in here if choices[name] is None]
    wanted = next((folds for folds in given if folds and folds > 1), JOINT_FOLDS)
    takes_it = {name: of == () or (of and wanted in of and len(here) > 1) for name, of in choices.items()}
    return {name: {"folds": wanted} if takes_it[name] else {} for name in here}


def starter(name: str, here: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a study called `name` of the readers in `here`, with their options."""
    words = {reader: reader.replace("_", "") for reader in here}
    folds = {reader: corpora.folds(reader, options) or 1 for reader, options in here.items()}
    most = max(folds.values(), key=lambda each: (each > 1) * list(folds.values()).count(each))
    joint = [words[reader] for reader in here if folds[reader] in (1, most)]
    scrambled = permuted(joint[-1])
    together = [joint] if len(joint) > 1 else []
    swapped = [[*joint[:-1], scrambled]] if together else []
    every, singles = list(words.values()), [[word] for word in words.values()]
    parts = ["# Every key there is: python -m benchmark study --reference\n"]
    parts += [_line("title", f"Study {name}"), _line("rates_percent", [0, 50])]
    for reader, options in here.items():
        parts += [_table(f"corpora.{words[reader]}"), _line("reader", reader)]
        parts.append(_line("title", corpora.title_of(reader, {})))
        inline = {"options": options, "scramble": SWAP if words[reader] == joint[-1] else {}}
        for key, table in inline.items():
            pairs = ", ".join(f"{name} = {json.dumps(value)}" for name, value in table.items())
            parts += [f"{key} = {{ {pairs} }}\n"] if table else []
    parts += [f"\n{MORE}", _table("table1"), _line("train", singles)]
    parts += [_table("figure2"), _line("train", singles + together), _line("test", every)]
    parts += [_table("figure3"), _line("train", [[scrambled], *swapped]), _line("test", [scrambled, *every])]
    return "".join([*parts, f"\n{ON_A_CPU}"])


def then(file: Path) -> str:
    """What to do with a new study."""
    given = shlex.quote(str(file))
    calls = ("python -m benchmark doctor --study", "python -m benchmark plan --study", RUN)
    return f"{file} is written. Look at it, then run:" + "".join(f"\n    {call} {given}" for call in calls)
