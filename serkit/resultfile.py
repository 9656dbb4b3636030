"""One stored result, read and checked: what comes back can be shown without looking at it again.

Types and ranges stand in `result.schema.json`. What a schema cannot say is checked here: that the parts speak
of the same corpora, tests and folds, that times are times, and that the spec is one. 144 results take 0.2 s.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import statistics
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from serkit.errors import ResultDamaged, ResultsUnreadable
from serkit.files import open_file, parse_json, read_bytes, read_json, usual_number
from serkit.labels import FAR_ABOVE, GUESSING, LABELS, corpus_of
from serkit.settings import check
from serkit.specs import (
    ACOUSTICS_METHOD,
    IMPORTED,
    MEASUREMENT,
    METHOD,
    TRAINING,
    RunSpec,
    from_json,
    kind_of,
)

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
"""Rises when a key goes, or changes its name, type, unit or meaning; not when one is added."""

SEAL, END = ', "sha256": "', '"}'
"""Before and behind the digest at the end of a result.json."""

Result = dict[str, Any]

TABLE_OF = {TRAINING: "scores", MEASUREMENT: "estimates"}
"""The table beside each kind of result, a row a clip."""
EMBEDDINGS = "embeddings.npy"
"""The file of a run's embeddings, a row for each of its scores."""
ESTIMATES = ("p808_mos", "t60_s", "c50_db", "ovrl_mos", "sig_mos", "bak_mos")
"""The columns of estimates: what Figure 4 shows, then P.835's overall, signal and background quality."""
BUNDLE = ".bundle"
"""The ending of a file of many results (`serkit.bundle`)."""

TEXT, NUMBER = "OU", "iuf"
"""The kinds of types that numpy has for a column."""
_NUMBERS = dict.fromkeys(ESTIMATES, NUMBER)
TAIL = tuple(f"{label}_tail" for label in LABELS)
"""The columns of scores with the probabilities averaged over the tail."""
_PROBABILITIES = {**dict.fromkeys(LABELS, NUMBER), "speaker": TEXT, **dict.fromkeys(TAIL, NUMBER)}
TABLES: dict[str, dict[str, str]] = {
    "scores": {"corpus": TEXT, "path": TEXT, "fold": NUMBER, "label": TEXT, **_PROBABILITIES},
    "estimates": {**dict.fromkeys(("path", "label", "speaker", "reason"), TEXT), **_NUMBERS},
    "part": {"row": NUMBER, "reason": TEXT, **_NUMBERS},
}
"""The columns of each kind of table beside a result."""


def read(path: Path) -> Result:
    """One result.json.

    Raises FileNotFoundError; ResultDamaged: it is no result, or not the one of its folder; ResultsUnreadable:
    it may not be read, or is of a schema newer than `SCHEMA`.
    """
    try:
        text = read_bytes(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    result = parse(text, path)
    if "files" in result and SEAL.encode() not in text:
        raise unreadable(path, ValueError("it was saved with a digest, which is gone"))
    return result


def parse(text: bytes, path: Path) -> Result:
    """What a result.json says; the name of its folder must be its key. Raises ResultsUnreadable as `read`."""
    try:
        result = parse_json(_unsealed(text), usual_number)
        schema = isinstance(result, dict) and result.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise newer(path, f"schema {schema}", SCHEMA)
        check("sha256" not in result, "its digest is not where it was saved")
        _validator()(result)
        _check(result, path.parent.name)
    except (ValueError, TypeError, RecursionError) as error:  # SpecError is a ValueError
        why = str(error).removeprefix("data").removeprefix(".").strip()  # as fastjsonschema begins
        raise unreadable(path, ValueError(why)) from error
    return result


def newer(path: Path, what: str, known: int) -> ResultsUnreadable:
    """What is said of a file in a format of the future."""
    why = f"{path} is of {what}, written by a newer serkit"
    return ResultsUnreadable(f"{why}; this one reads up to {known}: update it")


def unreadable(path: Path, error: Exception) -> ResultsUnreadable:
    """What is said of a stored file that cannot be read, and what helps."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL, errno.EFBIG, errno.ENOENT):
        return ResultsUnreadable(f"{path} cannot be read ({error.strerror}); make it readable")
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if isinstance(error, FileNotFoundError):
        why = "it is missing beside its result.json"
    folder = path.parent
    cure = f"restore it from a copy, or delete {folder} and the next session runs it again"
    if folder.parent.suffix == BUNDLE:
        cure = f"get {folder.parent} again, or the next session runs this again"
    return ResultDamaged(f"{path} is damaged: {why[:300]}; {cure}")


def read_table(path: Path) -> pd.DataFrame:
    """A table of `TABLES`, by the beginning of its name. Raises ResultsUnreadable."""
    import pandas as pd

    try:
        with open_file(path) as file:
            table = pd.read_parquet(file)
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # a decoder of damaged bytes may raise anything
        raise unreadable(path, ValueError(f"{type(error).__name__} {error}")) from error
    check_table(table, path)
    return table


def check_table(table: pd.DataFrame, path: Path) -> None:
    """Raises ResultDamaged unless a table has the columns of its name."""
    columns = TABLES[path.stem.partition("-")[0]]
    for name, kinds in columns.items():
        if list(table.columns).count(name) != 1:
            raise unreadable(path, ValueError(f"it has no column {name}"))
        others = kinds == TEXT and not all(isinstance(value, str) for value in table[name])
        if others or table[name].dtype.kind not in kinds:
            raise unreadable(path, ValueError(f"column {name} holds {table[name].dtype}"))
    if "label" in columns and not table["label"].isin(LABELS).all():
        raise unreadable(path, ValueError(f"a label is none of {', '.join(LABELS)}"))


def check_digest(path: Path, result: Result) -> None:
    """Raises ResultDamaged where a file is not the one that was saved with a result, which says its digest.

    As after a copy of one results folder over another that was broken off. Older results say none.
    """
    expected = result.get("files", {}).get(path.name)
    if expected is None:
        return
    try:
        with open_file(path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error
    if found != expected:
        raise unreadable(path, ValueError("it is not the file that was saved with its result.json"))


def sealed(result: Result) -> str:
    """A result as text whose last entry is the digest of all before it. Raises ValueError: NaN in it."""
    text = json.dumps(result, allow_nan=False)
    return f"{text[:-1]}{SEAL}{hashlib.sha256(text.encode()).hexdigest()}{END}"


def _unsealed(text: bytes) -> bytes:
    """The text before it was sealed; as it is where it was not. Raises ValueError: another was sealed."""
    before, seal, digest = text.rpartition(SEAL.encode())
    if not seal:
        return text
    whole = before + b"}"
    said = f"{hashlib.sha256(whole).hexdigest()}{END}".encode()
    check(digest == said, "its digest is that of another text")
    return whole


@functools.cache
def _validator() -> Callable[[Any], Any]:
    """Of types and ranges; raises ValueError with the place, as `data.history[3].loss must be number`."""
    import fastjsonschema

    schema = read_json(Path(__file__).with_name("result.schema.json"))
    # Of the newer drafts it uses nothing that draft 7 has not.
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    return fastjsonschema.compile(schema, use_default=False, use_formats=False)


def _check(result: Result, folder: str) -> None:
    """What the schema cannot say."""
    check(result["key"] == folder, f"its key is {result['key']}, its folder {folder}")
    for when in ("started", "finished"):
        datetime.fromisoformat(result[when])
    spec = result["spec"]
    if kind_of(spec) == MEASUREMENT:
        check(list(result["corpora"]) == [spec["corpus"]["name"]], "corpora are not those of the spec")
        (about,) = result["corpora"].values()
        check(set(about["clips"]) == {"measured", "all"}, "clips are not those measured and all")
        if spec["acoustics_method"] == ACOUSTICS_METHOD:
            hash(from_json(spec))  # results are found by it
        return
    folds = {corpus["name"]: corpus["folds"] for corpus in spec["corpora"]}
    check(set(result["corpora"]) == set(folds), "corpora are not those of the spec")
    check(set(folds) <= set(dict(spec["fingerprints"])), "a corpus has no fingerprint")
    imported = is_imported(result)
    known = all((at["loss"] is None) == imported for at in result["history"])
    check(known and bool(result["affected"]) != imported, "losses and augmentation are known unless imported")
    _check_tests(result)
    if spec["method"] == METHOD:
        run = cast(RunSpec, from_json(spec))
        hash(run)  # results are found by it
        asked = {test for corpus in run.corpora for test in run.tests_of(corpus)}
        check(set(result["tests"]) == asked, "tests are not those of the spec")
        check(run.model.imported == imported, f"initialisation {result['initialisation']} is not the spec's")


def _check_tests(result: Result) -> None:
    """That every evaluation scored the same tests, folds and validation clips, and which ones."""
    spec = result["spec"]
    learnt = {corpus_of(name) for name in spec["train"]}
    folds = {corpus["name"]: corpus["folds"] for corpus in spec["corpora"]}
    check(learnt <= set(folds), "it is trained on a corpus that the spec has not")
    check(set(result["validation"]) <= set(spec["train"]), "validated on a corpus that was not trained on")
    tested = {test: set(of["folds"]) for test, of in result["tests"].items()}
    for test, scored in tested.items():
        name = corpus_of(test)
        check(name in folds, f"test {test} is of no corpus of the spec")
        if name in learnt:
            units, out = result["corpora"][name]["units"], spec["fold"] or 0 if folds[name] > 1 else 0
            check(out < len(units), f"corpora.{name}.units has no training {out}")
            expected = set(map(str, units[out]))
        else:
            check(len(scored) == folds[name], f"test {test} has {len(scored)} folds, not {folds[name]}")
            expected = set(map(str, range(folds[name])))
        check(scored == expected, f"test {test} has other folds than its spec")
    for name, about in result["corpora"].items():
        parts = {"test"}
        if name in learnt:
            parts |= {"train", "validation"}
            split = {"shared_speakers", "split_by_clip"} <= about.keys()
            check(split, f"corpora.{name} does not say how it is split")
        same = set(about["clips"]) == parts
        check(same, f"corpora.{name}.clips are not those of {', '.join(sorted(parts))}")
    for number, at in enumerate(result["history"]):
        now = {test: set(of) for test, of in at["tests"].items()}
        own = {test for test in tested if corpus_of(test) in learnt}
        same = own <= now.keys() and all(tested.get(test) == of for test, of in now.items())
        full = number < len(result["history"]) - result["tail_evaluations"] or now.keys() == tested.keys()
        check(same and full, f"history[{number}] has other tests")
        check(set(at["validation"]) == set(result["validation"]), f"history[{number}] validates others")


def is_imported(result: Result) -> bool:
    """Whether a result's probabilities were made outside serkit (docs/importing.md)."""
    return result.get("initialisation") == IMPORTED


def diverged(result: Result) -> bool:
    """Whether the loss of a finished run was far above that of guessing in at least half of its tail.

    A network that learns nothing comes down to guessing; one that stays far above it was thrown off by too
    large steps, and what it says of the test clips is chance.
    """
    tail = result.get("history", [])[-result.get("tail_evaluations", 1) :]
    losses = [at["loss"] for at in tail if at["loss"] is not None]  # of what is imported none is known
    return bool(losses) and statistics.median(losses) > FAR_ABOVE * GUESSING
