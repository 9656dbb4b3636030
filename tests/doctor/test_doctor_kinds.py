"""The doctor and packing: over a corpus in which everything is wrong, they say the same of each clip."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

from serkit import corpora, doctor, packs
from serkit.audio import CURES
from serkit.corpora.reading.corpus import Corpus, table
from serkit.doctor.findings import KINDS as KINDS_FOUND
from serkit.errors import AudioError
from tests.broken_corpus import KINDS, RATE_HZ, UNHEARD, build

PATHS = {f"clips/{name}.wav": kind for name, (_, kind) in KINDS.items()}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build(tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="module")
def found(broken: Corpus) -> doctor.Examination:
    """What the doctor says, in one pass."""
    module = types.SimpleNamespace(
        TITLE="Broken",
        PAGE="docs/corpora.md#broken",
        OPTIONS={},
        RATE_HZ=(RATE_HZ,),
        CHANNELS=(1,),
        is_here=lambda folder: folder == broken.folder,
        read=lambda folder: broken,
        facts=lambda corpus: {},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(corpora.READERS, "broken", "broken")
        patch.setattr(corpora, "reader", lambda name: module)
        return doctor.examine("broken", broken.folder)


def said(found: doctor.Examination) -> dict[str, dict[str, str]]:
    """Kinds of problem by clip, each with what stands behind the clip's name."""
    by_clip: dict[str, dict[str, str]] = {path: {} for path in PATHS}
    for problem in found.problems:
        assert problem.count == len(problem.examples) or not problem.examples, problem
        for example in problem.examples:
            for path in PATHS:
                if path in example:
                    by_clip[path][problem.kind] = example.removeprefix(f"{path} (").removesuffix(")")
    return by_clip


def test_there_are_kinds_enough():
    assert sum(kind != "" for kind in PATHS.values()) >= 60


def test_each_clip_is_named_with_its_kind_and_those_without_fault_are_not(found):
    kinds = {path: set(problems) for path, problems in said(found).items()}
    assert {path: kind for path, kind in PATHS.items() if kind and kind not in kinds[path]} == {}
    beside = {"duplicate", "channels"}  # an original is named beside its copies; a mix has channels
    wrong = {path: kinds[path] - {kind} - beside for path, kind in PATHS.items()}
    assert {path: more for path, more in wrong.items() if more} == {}
    assert not found.fit


def test_the_doctor_and_packing_agree_on_every_kind(broken, found, tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path))
    of_doctor = said(found)
    for path in PATHS:
        row = {"path": path, "label": "sad", "speaker": "s", "split": "test"}
        reasons = [why for kind, why in of_doctor[path].items() if kind in UNHEARD]
        try:
            packs.pack(Corpus("broken", broken.folder, "1", table([row], "Broken")), RATE_HZ)
            packed = []
        except AudioError as error:
            packed = [str(error)]
        assert len(reasons) == len(packed), (path, reasons, packed)
        for why, message in zip(reasons, packed, strict=True):
            assert f"\n{broken.folder / path}: {why}; " in message


def test_each_kind_is_a_row_with_all_that_is_said_of_it():
    assert set(CURES) == UNHEARD <= set(KINDS_FOUND)
    for row in KINDS_FOUND.values():
        assert {"severity", "found"} <= set(row) <= {"severity", "tolerated", "limit", "found", "advice"}
        assert row["severity"] in (doctor.UNFIT, doctor.NOTE)


def test_the_documentation_lists_them_all():
    text = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text()
    listed = text.partition("## What can be wrong with a clip")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in listed.splitlines() if line.startswith("| ")][1:]
    assert {name: said.strip("`") for said, names in rows for name in names.split("; ")} == {
        name: kind or "nothing" for name, (_, kind) in KINDS.items()
    }
