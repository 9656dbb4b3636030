"""EmoDB as delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from serkit.corpora import emodb
from serkit.errors import CorpusUnfit
from tests import corpus_trees as trees
from tests.every_reader import EveryReader

READER = emodb
CASES = [(".", {})]


def make(top: Path) -> None:
    trees.emodb(top / "download")


class TestItIsAReader(EveryReader):
    """What holds for every reader."""


def test_knows_every_clip(loaded) -> None:
    corpus = loaded()
    assert (len(corpus.clips), len(corpus.others)) == (339, 535 - 339)


def test_folds_are_a_man_and_a_woman(loaded) -> None:
    corpus = loaded()
    men, women = {"03", "10", "11", "12", "15"}, {"08", "09", "13", "14", "16"}
    for fold in range(5):
        tested = corpus.clips.iloc[corpus.part(fold, "test")]
        speakers = set(tested["speaker"])
        assert (len(speakers & men), len(speakers & women), len(speakers)) == (1, 1, 2)
        assert set(tested.loc[tested["gender"] == "male", "speaker"]) == speakers & men
    assert corpus.validation_fold == (1, 2, 3, 4, 0)


def test_keeps_the_text(loaded) -> None:
    clips = loaded().clips.set_index("path")
    assert clips.loc["wav/03a01Wa.wav", ["label", "text", "gender"]].tolist() == ["angry", "a01", "male"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("03a01Xa", r"wav/03a01Xa\.wav is not named as its clips are; .*one of W F N T A E L"),
        ("noise", r"wav/noise\.wav is not named"),
        ("07a01Wa", r"unknown speaker '07'; expected one of 03, 08"),
    ],
)
def test_names_it_does_not_know_are_refused(name: str, message: str, tmp_path: Path) -> None:
    trees.place(trees.emodb(tmp_path) / "wav", [name])
    with pytest.raises(CorpusUnfit, match=message):
        emodb.read(tmp_path)
