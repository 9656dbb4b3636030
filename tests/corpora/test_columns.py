"""The table that every corpus becomes, and what is made of columns of labels and speakers."""

import pandas as pd
import pytest

from serkit.corpora.reading import columns
from serkit.corpora.reading.corpus import Corpus, table
from serkit.errors import CorpusUnfit
from serkit.labels import LABELS

NOBODY = [
    "Unknown",
    "unknown",
    "UNKNOWN",
    "",
    " ",
    "nan",
    "NaN",
    None,
    float("nan"),
    pd.NA,
    "None",
    "NA",
    "-",
]


def rows(speakers):
    return [
        {"path": f"{i:02d}.wav", "label": LABELS[i % 4], "speaker": name} for i, name in enumerate(speakers)
    ]


def test_nobody_is_one_of_the_speakers():
    clips = table(rows([*NOBODY, "Nan", "0", "Anna", "unknown2"]), "Fake")
    assert clips["speaker"].tolist() == ["Unknown"] * (len(NOBODY) + 1) + ["0", "Anna", "unknown2"]


@pytest.mark.parametrize("nobody", NOBODY, ids=repr)
def test_nobody_cannot_be_left_out_by_folds(tmp_path, nobody):
    clips = pd.DataFrame(rows(["a", "b", "c", "d"] * 3 + [nobody])).rename(columns={"label": "delivered"})
    delivered = Corpus("fake", tmp_path, "1", clips)
    choices = columns.Choices.of("fake", {"folds": 3}, label="label")
    with pytest.raises(CorpusUnfit, match="1 clips have no speaker"):
        columns.in_study_words(delivered, "Fake", "a, b", choices)


def test_folds_are_even_in_clips():
    speakers = pd.Series(["big"] * 50 + ["b"] * 20 + ["a"] * 20 + ["c"] * 10 + ["d"] * 10 + ["e"] * 10)
    groups = columns.leave_speakers_out(speakers, 3, "Mine")
    assert groups == [["big"], ["a", "c", "e"], ["b", "d"]]
    assert groups == columns.leave_speakers_out(speakers[::-1], 3, "Mine")
