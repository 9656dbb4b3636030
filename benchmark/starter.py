"""What a new study starts from: every key with what it means, and a file for the corpora that are there.

The reference is made of the specs themselves, so it cannot fall behind them; docs/study.md shows it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shlex
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.study import Acoustics, Exhibit, Study, Tuning, names
from benchmark.study_file import study_name
from serkit import corpora
from serkit.effects import ALLOWED, EFFECTS, Augmentation
from serkit.errors import CorpusMissing, CorpusUnfit, SpecError
from serkit.labels import SWAP, permuted
from serkit.settings import BOUNDS, check
from serkit.specs import CHECKPOINTS, FRONT_ENDS, AcousticsSpec, CorpusSpec, ModelSpec, Recipe

WIDTH = 100
JOINT_FOLDS = 5
"""Of corpora whose reader takes any number: as EmoDB has."""

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
LISTED = {"FRONT_ENDS": FRONT_ENDS, "CHECKPOINTS": tuple(CHECKPOINTS), "EFFECTS": EFFECTS}
MORE = """\
# A corpus in a table or in parquet files, or one of several databases, is named (docs/corpora.md):
# [corpora.mine]
# reader = "tables"
# options = { file = "mine/clips.csv", folds = 5 }
"""


def attributes(spec: type) -> dict[str, str]:
    """What a docstring says of each attribute, as one paragraph."""
    text = (spec.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^ {8}(\w+): (.+(?:\n {9,}.+)*)", text, re.MULTILINE)
    for name, values in LISTED.items():
        text = ", ".join(values)
        found = [(attribute, said.replace(f"`{name}`", text)) for attribute, said in found]
    return {attribute: " ".join(said.split()).replace("None:", "left out:") for attribute, said in found}


def reference() -> str:
    """A study that says every key, at its default, and means the same as one that says none of them."""
    study, of_corpus, exhibit = attributes(Study), attributes(CorpusSpec), attributes(Exhibit)
    parts = [
        _line("title", "What a study looks like", study["title"]),
        _line("caution", "", study["caution"]),
        _line("paper", False, study["paper"]),
        _line("settled", True, study["settled"]),
        _line("rates_percent", [0], study["rates_percent"], "run.augment_percent"),
        _line("seeds", [0], study["seeds"], "run.seed"),
        _fields("model", ModelSpec),
        _fields("recipe", Recipe),
        _fields("augmentation", Augmentation),
        _table("corpora.mine", "A corpus; `mine` is the study's word for it, in ids and below."),
        _line("reader", "audformat", "its reader (docs/corpora.md)."),
        _line("title", "mine", study["titles"] + " Unless given: its own, or of a layout that word."),
        _line(
            "folds", 5, of_corpus["folds"] + " Left out, it follows from reader and options.", "corpus.folds"
        ),
        _line(
            "expected_training_clips",
            1000,
            study["expected_training_clips"],
            "corpus.expected_training_clips",
        ),
        _line(
            "max_training_clips", 200, of_corpus["max_training_clips"], "corpus.max_training_clips", off=True
        ),
        _table("corpora.mine.options", of_corpus["options"]),
        _line("folds", 5, "an option of this reader's."),
        _table("corpora.mine.scramble", of_corpus["scramble"]),
        *(_line(label, other, "") for label, other in SWAP.items()),
        _table("corpora.emodb", "Another corpus."),
        _line("reader", "emodb", ""),
        _table("table1", "Trained and tested on the same corpus. The baselines of all changes."),
        _line("train", [["mine"], ["emodb"]], exhibit["columns"] + " Of one corpus each."),
        _table("tuning", f"{Tuning.__doc__}".partition("\n")[0]),
        *(_line(name, value, attributes(Tuning)[name]) for name, value in TUNED.items()),
        _table("figure2", "Some training sets on some corpora; the order within a set does not matter."),
        _line("train", [["mine"], ["emodb"], ["mine", "emodb"]], exhibit["columns"]),
        _line("test", ["mine", "emodb"], exhibit["tests"]),
        _table("figure3", f"The same with the labels of a corpus permuted, as `{permuted('NAME')}`."),
        _line("train", [["emodb"], [permuted("mine")], [permuted("mine"), "emodb"]], exhibit["columns"]),
        _line("test", [permuted("mine"), "mine", "emodb"], exhibit["tests"]),
        _table("figure4", f"{Acoustics.__doc__}".partition("\n")[0]),
        _line("corpora", ["mine", "emodb"], "which; all unless given."),
        *(
            _line(field.name, field.default, attributes(AcousticsSpec)[field.name], f"acoustics.{field.name}")
            for field in dataclasses.fields(AcousticsSpec)
            if f"acoustics.{field.name}" in BOUNDS
        ),
    ]
    return "".join(parts)


TUNED: dict[str, Any] = {"train": [["mine"]], "learning_rates": [1e-4, 1e-3], "batch_sizes": [16, 128]}


def _table(name: str, said: str) -> str:
    return f"\n{_comment(said)}[{name}]\n"


def _fields(table: str, spec: type) -> str:
    """A table of a spec's fields at their defaults; where the default is none, an example that is off."""
    said = attributes(spec)
    lines = []
    for field in dataclasses.fields(spec):
        value, off = field.default, field.default is None
        if off:
            value = EXAMPLES[field.name]
        lines.append(_line(field.name, value, said[field.name], f"{table}.{field.name}", off))
    return _table(table, f"{spec.__doc__}".partition("\n")[0]) + "".join(lines)


EXAMPLES = {"loudness_dbfs": -26.0}


def _line(key: str, value: Any, said: str, setting: str = "", off: bool = False) -> str:
    """A key at a value, under what it means and may be."""
    if setting in BOUNDS:
        said += f" Expected: {BOUNDS[setting]}."
    elif key in ALLOWED and setting:
        said += f" Expected: within {ALLOWED[key][0]:g}..{ALLOWED[key][1]:g}."
    return f"{_comment(said)}{'# ' * off}{key} = {_toml(value)}\n"


def _comment(said: str) -> str:
    said = said[:1].upper() + said[1:]
    return "".join(f"# {line}\n" for line in textwrap.wrap(said, WIDTH - 2))


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def start(name: str, data: Path | None) -> Path:
    """Writes a study of the corpora that are there.

    Args:
        name: the study's, or the path of its file, with or without `.toml`.
        data: the folder the corpora lie in.

    Returns:
        The file.

    Raises:
        SpecError: a name that no study can have, a file that is there already or cannot be written.
        CorpusMissing: no corpus is there.
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

    Raises:
        CorpusMissing: none is.
    """
    if data is None:
        raise CorpusMissing("SERKIT_DATA is not set; point it at the folder your corpora lie in")
    here = []
    for name in corpora.names():
        if hasattr(corpora.reader(name), "generate"):
            continue
        with contextlib.suppress(CorpusMissing, CorpusUnfit, SpecError):  # not there, or one of several
            corpora.find(name, data, corpora.checked_options(name, {}))
            here.append(name)
    if not here:
        raise CorpusMissing(
            f"no corpus to start a study with was found at or below {data}, where SERKIT_DATA points; python"
            " -m benchmark doctor says what was looked for, docs/corpora.md how to get it"
        )
    return _alike_in_folds(here)


def _alike_in_folds(names: list[str]) -> dict[str, dict[str, Any]]:
    """Options by which corpora have as many folds as one that has no choice."""
    choices = {name: corpora.reader(name).OPTIONS.get("folds") for name in names}
    given = [corpora.folds(name, {}) for name in names if choices[name] is None]
    wanted = next((folds for folds in given if folds and folds > 1), JOINT_FOLDS)
    options: dict[str, dict[str, Any]] = {}
    for name, allowed in choices.items():
        takes_it = allowed == () or (allowed and wanted in allowed and len(names) > 1)
        options[name] = {"folds": wanted} if takes_it else {}
    return options


def starter(name: str, here: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a study of some corpora.

    Args:
        name: the study's.
        here: options by reader.
    """
    words = {reader: reader.replace("_", "") for reader in here}
    folds = {reader: corpora.folds(reader, options) or 1 for reader, options in here.items()}
    most = max(folds.values(), key=lambda each: (each > 1) * list(folds.values()).count(each))
    joint = [words[reader] for reader in here if folds[reader] in (1, most)]
    last = joint[-1]
    swapped = [permuted(word) if word == last else word for word in joint]
    every = list(words.values())
    parts = [
        f"# Every key there is: python -m benchmark study --reference\ntitle = {_toml(f'Study {name}')}\n"
        "rates_percent = [0, 50]\n"
    ]
    for reader, options in here.items():
        title = corpora.title_of(reader, {})
        parts.append(f"\n[corpora.{words[reader]}]\nreader = {_toml(reader)}\ntitle = {_toml(title)}\n")
        if options:
            lines = ", ".join(f"{key} = {_toml(value)}" for key, value in options.items())
            parts.append(f"options = {{ {lines} }}\n")
        if words[reader] == last:
            parts.append("scramble = { " + ", ".join(f"{a} = {_toml(b)}" for a, b in SWAP.items()) + " }\n")
    parts.append(f"\n{MORE}")
    singles = [[word] for word in every]
    sets = [*singles, joint] if len(joint) > 1 else singles
    parts.append(f"\n[table1]\ntrain = {_toml(singles)}\n")
    parts.append(f"\n[figure2]\ntrain = {_toml(sets)}\ntest = {_toml(every)}\n")
    contrary = [[permuted(last)], *([swapped] if len(joint) > 1 else [])]
    parts.append(f"\n[figure3]\ntrain = {_toml(contrary)}\ntest = {_toml([permuted(last), *every])}\n")
    return "".join(parts) + f"\n{ON_A_CPU}"


def then(file: Path) -> str:
    """What to do with a new study."""
    given = shlex.quote(str(file))
    calls = ("python -m benchmark doctor", "python -m benchmark plan", "pytest cases/")
    return "\n".join(
        [f"{file} is written. Look at it, then:", *(f"    {call} --study {given}" for call in calls)]
    )
