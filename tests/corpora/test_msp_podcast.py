"""MSP-Podcast as delivered, in any release."""

from __future__ import annotations

from pathlib import Path

import pytest

from serkit.corpora import msp_podcast
from serkit.errors import CorpusUnfit
from tests import corpus_trees as trees
from tests.every_reader import EveryReader, counts

READER = msp_podcast
CASES = [("1.8", {}), ("1.8", {"test": "Test2"}), ("1.10", {})]


def make(top: Path) -> None:
    trees.msp_podcast(top / "1.8" / "MSP-PODCAST-Publish-1.8", "1.8", "Audios/Audios")
    trees.msp_podcast(top / "1.10" / "licensed" / "MSP-PODCAST-Publish-1.10", "1.10", "Audios")


class TestItIsAReader(EveryReader):
    """What holds for every reader."""


def test_expected_parts_come_to_what_is_published() -> None:
    first, second = (msp_podcast.expected(test)[0] for test in ("Test1", "Test2"))
    assert (first["train"], first["validation"]) == (second["train"], second["validation"])
    assert sum(first.values()) + second["test"] == pytest.approx(67_929, abs=2)
    assert first["train"] / second["test"] == pytest.approx(63_076 / 13_289, rel=1e-3)


def msp(top: Path, *changes: dict[str, str], columns=trees.MSP_COLUMNS) -> Path:
    """A small copy: one clip a split and class, the first rows changed."""
    splits = ("Train", "Development", "Test1", "Test2")
    rows = [
        dict(
            zip(
                trees.MSP_COLUMNS,
                (f"MSP-PODCAST_{k}_{m}.wav", label, "4", "3", "5", f"{k}", "Male", split),
                strict=True,
            )
        )
        for k, split in enumerate(splits)
        for m, label in enumerate("AHNSX")
    ]
    for row, change in zip(rows, changes, strict=False):
        row.update(change)
    return trees.write_msp(top, rows, columns=columns)


def test_releases_are_told_apart(loaded) -> None:
    assert loaded(place="1.8").version == "1.8"
    assert loaded(place="1.10").version == "1.10"


def test_knows_every_labelled_clip(loaded) -> None:
    corpus = loaded(place="1.10")
    assert len(corpus.clips) == 67_929
    assert len(corpus.clips) + len(corpus.others) == 104_267


@pytest.fixture
def small_1_8(monkeypatch) -> None:
    """Release 1.8 as small as the copies that `msp` makes."""
    monkeypatch.setitem(msp_podcast.SIZES, "1.8", {"train": 4, "validation": 4, "test1": 4})


def test_1_8_is_not_recognised_under_the_later_spelling(small_1_8, tmp_path: Path) -> None:
    labels = msp(tmp_path) / "Labels"
    assert msp_podcast.read(tmp_path).version == "unknown"
    (labels / "labels_consensus.csv").rename(labels / "labels_concensus.csv")
    assert msp_podcast.read(tmp_path).version == "1.8"


def test_with_a_hole_in_one_split_is_still_recognised_and_says_so(small_1_8, tmp_path: Path) -> None:
    labels = msp(tmp_path) / "Labels"
    header, _, *rows = (labels / "labels_consensus.csv").read_text().splitlines(keepends=True)
    (labels / "labels_concensus.csv").write_text("".join([header, *rows]))
    (labels / "labels_consensus.csv").unlink()
    corpus = msp_podcast.read(tmp_path)
    assert corpus.version == "1.8"
    assert "train has 3 clips; release 1.8 has 4" in corpus.notes


def test_of_another_release_is_unknown_and_has_no_facts(tmp_path: Path) -> None:
    corpus = msp_podcast.read(msp(tmp_path))
    assert corpus.version == "unknown"
    assert any("release not recognised: 20 labelled clips" in note for note in corpus.notes)
    assert msp_podcast.facts(corpus) == {}


@pytest.mark.parametrize("release", ["1.8", "1.10"])
def test_splits_are_mapped(release: str, loaded) -> None:
    corpus = loaded(place=release)
    sizes = {split: sum(four) for split, four in trees.MSP_FOUR_CLASS[release].items()}
    validation = "Validation" if release == "1.8" else "Development"
    assert corpus.clips["split"].value_counts().to_dict() == {
        "train": sizes["Train"],
        "validation": sizes[validation],
        "test": sizes["Test1"],
        "test2": sizes["Test2"],
    }


def test_tests_on_the_set_asked_for(loaded) -> None:
    corpus = loaded({"test": "Test2"}, "1.8")
    assert counts(corpus, "test", "*") == sum(trees.MSP_FOUR_CLASS["1.8"]["Test2"])
    assert counts(corpus, "test1", "*") == sum(trees.MSP_FOUR_CLASS["1.8"]["Test1"])


def test_without_the_set_asked_for_says_which_it_has(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusUnfit, match=r"no clip is in Test3; this copy has Development, Test1, Test2, Train"
    ):
        msp_podcast.read(msp(tmp_path), test="Test3")


def test_columns_are_read_by_name_and_extra_ones_kept(tmp_path: Path) -> None:
    first = msp_podcast.read(msp(tmp_path / "a")).clips
    turned = msp_podcast.read(msp(tmp_path / "b", columns=trees.MSP_COLUMNS[::-1])).clips
    assert first[sorted(first)].equals(turned[sorted(turned)])
    assert first.loc[0, ["gender", "arousal", "valence", "dominance"]].tolist() == ["Male", 4.0, 3.0, 5.0]


def test_does_without_the_columns_it_does_not_need(tmp_path: Path) -> None:
    clips = msp_podcast.read(msp(tmp_path, columns=("Split_Set", "SpkrID", "EmoClass", "FileName"))).clips
    assert list(clips) == ["path", "label", "speaker", "split", "fold"]


def test_speaker_may_be_unknown(loaded) -> None:
    corpus = loaded(place="1.8")
    n = int((corpus.clips["speaker"] == "Unknown").sum())
    assert n > 0
    assert f"{n} clips have no speaker identity (SpkrID Unknown)" in corpus.notes


def test_knows_its_one_clip_of_another_rate(loaded) -> None:
    assert any("MSP-PODCAST_1023_0235 is stereo at 44.1 kHz" in note for note in loaded(place="1.8").notes)


@pytest.mark.parametrize("place", ["Audios", "Audio", "Audios/Audios", "Audio/Audio", "Audios/Audio"])
def test_audio_is_found_however_it_was_unpacked(place: str, tmp_path: Path) -> None:
    trees.place(msp(tmp_path) / place, ["MSP-PODCAST_0_0", "MSP-PODCAST_0_1"], ".WAV")
    paths = msp_podcast.read(tmp_path).clips["path"].tolist()
    assert f"{place}/MSP-PODCAST_0_0.WAV" in paths
    assert f"{place}/MSP-PODCAST_0_2.wav" in paths, "missing audio is expected beside the rest, as a wav"


def test_without_any_audio_keeps_its_clips(tmp_path: Path) -> None:
    corpus = msp_podcast.read(msp(tmp_path))
    assert corpus.clips["path"].str.fullmatch(r"Audios/MSP-PODCAST_\d_\d\.wav").all()
    assert len(corpus.others) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"EmoClass": "Z"},
            r"row 3 \(MSP-PODCAST_0_1\.wav\) has EmoClass 'Z'; expected one of A, H, N, S, C",
        ),
        ({"EmoClass": ""}, r"row 3 .* has EmoClass ''"),
        (
            {"Split_Set": "Dev"},
            r"row 3 \(MSP-PODCAST_0_1\.wav\) has Split_Set 'Dev'; expected one of Train, Dev",
        ),
    ],
)
def test_codes_it_does_not_know_are_refused(change, message: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusUnfit, match=message):
        msp_podcast.read(msp(tmp_path, {}, change))


def test_without_a_needed_column_says_which_it_has(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnfit, match="has no column EmoClass; it has FileName, SpkrID, Split_Set"):
        msp_podcast.read(msp(tmp_path, columns=("FileName", "SpkrID", "Split_Set")))


def test_with_a_clip_listed_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnfit, match="is listed twice"):
        msp_podcast.read(msp(tmp_path, {"FileName": "MSP-PODCAST_0_1.wav"}))


def test_label_file_that_is_a_pointer_is_refused(tmp_path: Path) -> None:
    (msp(tmp_path) / "Labels" / "labels_consensus.csv").write_text(trees.LFS_POINTER)
    with pytest.raises(CorpusUnfit, match="git lfs pull"):
        msp_podcast.read(tmp_path)


def test_rows_of_another_length_are_refused(tmp_path: Path) -> None:
    file = msp(tmp_path) / "Labels" / "labels_consensus.csv"
    header, *lines = file.read_text().splitlines()
    file.write_text("\n".join([header, *(f"{line}," for line in lines)]))
    with pytest.raises(CorpusUnfit, match=r"line 2 has 9 values, the header 8"):
        msp_podcast.read(tmp_path)
