"""The readers against the corpora as delivered: published counts, every known trap, every message.

The trees are built by `corpus_trees`; no real corpus is needed.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serkit import corpora
from serkit.corpora import audformat as audformat_reader
from serkit.corpora import crema_d, emodb, iemocap, msp_podcast, ravdess
from serkit.corpora.reading import folder
from serkit.corpora.reading.corpus import PARTS, Corpus, table
from serkit.errors import CorpusMissing, CorpusUnfit, SpecError
from serkit.labels import LABELS
from tests import corpus_trees as trees

READERS = {
    "msp_podcast": msp_podcast,
    "iemocap": iemocap,
    "crema_d": crema_d,
    "ravdess": ravdess,
    "emodb": emodb,
    "audformat": audformat_reader,
}
CASES = [
    ("msp_podcast", "msp18", {}),
    ("msp_podcast", "msp18", {"test": "Test2"}),
    ("msp_podcast", "msp110", {}),
    ("iemocap", "iemocap", {}),
    ("iemocap", "iemocap", {"excited": "dropped"}),
    ("crema_d", "crema_d", {}),
    ("crema_d", "crema_d", {"labels": "intended"}),
    ("crema_d", "crema_d", {"labels": "multimodal", "split_seed": 3}),
    ("crema_d", "crema_d", {"split": "speaker-disjoint"}),
    ("ravdess", "ravdess", {}),
    ("ravdess", "ravdess", {"folds": 5}),
    ("emodb", "emodb", {}),
    ("audformat", "audformat", {}),
    ("audformat", "audformat", {"folds": 4}),
]
IDS = ["-".join([tree, *map(str, options.values())]) for _, tree, options in CASES]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All trees, wrapped in folders as a user's would be; some of them twice as deep as delivered."""
    top = tmp_path_factory.mktemp("data")
    trees.msp_podcast(top / "msp18" / "MSP-PODCAST-Publish-1.8", "1.8", "Audios/Audios")
    trees.msp_podcast(top / "msp110" / "licensed" / "MSP-PODCAST-Publish-1.10", "1.10", "Audios")
    trees.iemocap(top / "iemocap" / "IEMOCAP_full_release" / "IEMOCAP_full_release")
    trees.crema_d(top / "crema_d" / "open" / "CREMA-D")
    trees.ravdess(top / "ravdess" / "Audio_Speech_Actors_01-24")
    trees.place(top / "ravdess" / "Audio_Song_Actors_01-24" / "Actor_01", ["03-02-01-01-01-01-01"])
    trees.emodb(top / "emodb" / "download")
    trees.audformat(top / "audformat" / "mine")
    return top


@pytest.fixture(scope="session")
def loaded(data: Path):
    """Reads a tree once for all tests that only look."""
    kept: dict[str, Corpus] = {}

    def load(name: str, tree: str, options: dict | None = None) -> Corpus:
        key = repr((name, tree, options or {}))
        if key not in kept:
            kept[key] = corpora.load(name, data / tree, options or {})
        return kept[key]

    return load


@pytest.fixture(params=CASES, ids=IDS)
def reading(request: pytest.FixtureRequest, loaded) -> tuple[Corpus, str, str, dict]:
    name, tree, options = request.param
    return loaded(name, tree, options), name, tree, options


def counts(corpus: Corpus, group: str, label: str) -> int:
    clips = corpus.clips
    if group != "*":
        clips = clips[(clips["split"] == group) | (clips["speaker"] == group)]
    return len(clips) if label == "*" else int((clips["label"] == label).sum())


# --- what holds for every corpus ---


def test_published_counts_hold(reading) -> None:
    corpus, name, _, options = reading
    facts = READERS[name].facts(corpus, **options)
    assert bool(facts) == (name != "audformat")
    for (group, label), n in facts.items():
        assert counts(corpus, group, label) == n, (group, label)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("iemocap", {}),
        ("iemocap", {"excited": "dropped"}),
        ("crema_d", {}),
        ("crema_d", {"labels": "intended"}),
        ("crema_d", {"labels": "multimodal", "split_seed": 3}),
    ],
)
def test_expected_parts_are_those_of_the_corpus(name: str, options: dict, loaded) -> None:
    corpus = loaded(name, name, options)
    found = [{part: len(corpus.part(fold, part)) for part in PARTS} for fold in range(corpus.n_folds)]
    assert READERS[name].expected(**options) == found


def test_expected_parts_of_msp_come_to_what_is_published() -> None:
    first, second = (msp_podcast.expected(test)[0] for test in ("Test1", "Test2"))
    assert (first["train"], first["validation"]) == (second["train"], second["validation"])
    assert sum(first.values()) + second["test"] == pytest.approx(67_929, abs=2)
    assert first["train"] / second["test"] == pytest.approx(63_076 / 13_289, rel=1e-3)


def test_the_table_is_as_the_contract_says(reading) -> None:
    corpus, name, _, _ = reading
    clips = corpus.clips
    assert corpus.name == name
    assert corpus.version
    assert list(clips.columns[:5]) == ["path", "label", "speaker", "split", "fold"]
    assert clips.index.equals(pd.RangeIndex(len(clips)))
    assert clips["path"].is_monotonic_increasing
    assert clips["path"].is_unique
    assert set(clips["label"]) == set(LABELS)
    assert all(isinstance(speaker, str) and speaker for speaker in clips["speaker"])
    assert not clips.isna().any().any()
    assert not set(clips["path"]) & set(corpus.others)
    assert list(corpus.others) == sorted(set(corpus.others))
    # Below the corpus's folder, and nothing hidden; pathlib takes seconds for 100,000 names.
    assert [path for path in (*clips["path"], *corpus.others) if path[0] == "/" or "/." in f"/{path}"] == []


def test_parts_of_a_fold_share_no_clip_and_leave_none_out(reading) -> None:
    corpus = reading[0]
    for fold in range(corpus.n_folds):
        parts = {part: corpus.part(fold, part) for part in PARTS}
        together = np.concatenate(list(parts.values()))
        assert len(set(together)) == len(together)
        assert all(len(rows) for rows in parts.values())
        if corpus.n_folds > 1:
            assert len(together) == len(corpus.clips)
        else:
            unused = set(corpus.clips["split"]) - set(PARTS)
            assert len(together) == (~corpus.clips["split"].isin(unused)).sum()


def test_folds_test_every_clip_once(reading) -> None:
    corpus = reading[0]
    if corpus.n_folds > 1:
        tested = np.concatenate([corpus.part(fold, "test") for fold in range(corpus.n_folds)])
        assert sorted(tested) == list(range(len(corpus.clips)))
        assert (corpus.clips["split"] == "").all()
        assert all(fold != validating for fold, validating in enumerate(corpus.validation_fold))
    else:
        assert (corpus.clips["fold"] == -1).all()


def test_folds_are_known_before_the_corpus_is_read(reading) -> None:
    corpus, name, _, options = reading
    assert corpora.folds(name, options) == corpus.n_folds


@pytest.mark.parametrize("folds", [0, -3, True, 2.5, "3", (3,)])
def test_folds_that_are_no_number_of_them_are_refused_unread(folds) -> None:
    with pytest.raises(SpecError, match="expected a whole number of folds"):
        corpora.folds("audformat", {"folds": folds})


def test_no_speaker_on_two_sides(reading) -> None:
    corpus = reading[0]
    for fold in range(corpus.n_folds):
        sides = [set(corpus.clips["speaker"].iloc[corpus.part(fold, part)]) - {"Unknown"} for part in PARTS]
        shared = sides[0] & sides[2] | sides[0] & sides[1] | sides[1] & sides[2]
        assert bool(shared) == corpus.split_by_clip


@pytest.mark.parametrize(("name", "tree"), dict.fromkeys((name, tree) for name, tree, _ in CASES))
def test_reading_depends_on_nothing_but_the_names(name: str, tree: str, loaded, monkeypatch) -> None:
    corpus = loaded(name, tree)
    listed: list[str] = []
    scandir = os.scandir

    class Reversed:
        def __init__(self, path) -> None:
            listed.append(str(path))
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_) -> None:
            pass

    monkeypatch.setattr(folder.os, "scandir", Reversed)
    again = READERS[name].read(corpus.folder)
    assert again.digest() == corpus.digest()
    assert (again.others, again.notes, again.version) == (corpus.others, corpus.notes, corpus.version)
    assert len(set(listed)) == len(listed), "a folder was listed twice"


def test_every_reader_is_tested() -> None:
    ours = {*READERS, "synthetic", "tables"}  # the last two have tests of their own
    assert set(corpora.READERS) - {"made"} == ours


@pytest.mark.parametrize("name", [*READERS, "tables"])
def test_a_reader_keeps_the_protocol(name: str) -> None:
    module = corpora.reader(name)
    assert module is READERS.get(name, module)
    assert not [part for part in corpora.PROTOCOL if not hasattr(module, part)]
    parameters = inspect.signature(module.read).parameters
    for option, allowed in module.OPTIONS.items() if "options" not in parameters else ():
        assert parameters[option].default == (allowed[0] if allowed else None)
    page, _, anchor = module.PAGE.partition("#")
    text = (Path(__file__).parents[2] / page).read_text()
    headings = [line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")]
    assert anchor in [re.sub(r"[^a-z0-9-]", "", heading.replace(" ", "-")) for heading in headings]
    for option, allowed in module.OPTIONS.items():
        assert f"`{option}`" in text
        assert all(str(value) in text for value in allowed)


def test_each_corpus_is_found_among_all_others(data: Path) -> None:
    trees_of = {name: {tree for other, tree, _ in CASES if other == name} for name in READERS}
    for name in READERS:
        found = corpora.find(name, data, corpora.checked_options(name, {}))
        assert found.folder.relative_to(data).parts[0] in trees_of[name], name


def test_a_corpus_that_is_not_there_is_missing(tmp_path: Path) -> None:
    for name in READERS:
        with pytest.raises(CorpusMissing, match=r"no folder at or below .* docs/corpora\.md#"):
            corpora.find(name, tmp_path)


@pytest.mark.parametrize("name", ["ravdess", "emodb"])
def test_flac_is_as_good_as_wav(name: str, tmp_path: Path, loaded) -> None:
    getattr(trees, name)(tmp_path / name, suffix=".flac")
    corpus = corpora.load(name, tmp_path)
    assert corpus.clips["path"].str.endswith(".flac").all()
    ours = corpus.clips.drop(columns="path")
    assert ours.equals(loaded(name, name).clips.drop(columns="path"))


# --- names and label files ---


def test_audio_is_listed_in_any_case_without_hidden_files(tmp_path: Path) -> None:
    for name in (
        "a.wav",
        "b.WAV",
        "c.flac",
        "d.Flac",
        "._a.wav",
        ".hidden.wav",
        "e.mp3",
        "f.wav.txt",
        "g",
        ".wav",
    ):
        (tmp_path / name).touch()
    assert folder.audio_in(tmp_path) == {"a": "a.wav", "b": "b.WAV", "c": "c.flac", "d": "d.Flac"}


def test_of_two_suffixes_wav_wins(tmp_path: Path) -> None:
    for name in ("a.flac", "a.wav"):
        (tmp_path / name).touch()
    assert folder.audio_in(tmp_path) == {"a": "a.wav"}


@pytest.mark.parametrize(
    ("encoding", "name", "said"),
    [
        ("ascii", "Zoë.wav", r"Zoë\.wav cannot .* ascii here; set PYTHONUTF8=1"),
        ("ascii", "Zo\udcc3\udcab.wav", r"Zo\\udcc3\\udcab\.wav cannot .* ascii here; set PYTHONUTF8=1"),
        ("utf-8", "Zo\udceb.wav", r"Zo\\udceb\.wav cannot .* utf-8 here; rename it"),
    ],
)
def test_names_that_cannot_be_looked_up_are_said_to_be_so(monkeypatch, encoding, name, said) -> None:
    """The clips are there, so "fetch it again" would be no help; as labels or as the system names them."""
    rows = [{"path": path, "label": "sad", "speaker": "1"} for path in ("a.wav", name)]
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    with pytest.raises(CorpusUnfit, match=f"^Mine: {said}"):
        table(rows, "Mine")
    assert len(table(rows[:1], "Mine")) == 1


def test_a_missing_folder_has_no_names(tmp_path: Path) -> None:
    assert folder.names_in(tmp_path / "nothing") == []


def test_a_label_file_that_is_a_pointer_says_git_lfs_pull(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(trees.LFS_POINTER)
    with pytest.raises(CorpusUnfit, match=r"labels\.csv is a git-lfs pointer.*git lfs pull"):
        folder.label_text(path, "Mine")


def test_a_label_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnfit, match=r"labels\.csv is missing"):
        folder.label_text(tmp_path / "labels.csv", "Mine")


def test_a_byte_order_mark_is_no_part_of_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfFileName\n")
    assert folder.label_text(path, "Mine") == "FileName\n"


def test_placeholders_can_be_made_audible(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    trees.place(tmp_path, ["a"])
    trees.make_audible(tmp_path, seconds=0.5, rate_hz=8000, channels=2)
    wave, rate_hz = soundfile.read(tmp_path / "a.wav")
    assert (wave.shape, rate_hz) == ((4000, 2), 8000)
    assert (tmp_path / "._a.wav").read_bytes() == trees.APPLE_DOUBLE


# --- MSP-Podcast ---


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


def test_msp_releases_are_told_apart(loaded) -> None:
    assert loaded("msp_podcast", "msp18").version == "1.8"
    assert loaded("msp_podcast", "msp110").version == "1.10"


def test_msp_knows_every_labelled_clip(loaded) -> None:
    corpus = loaded("msp_podcast", "msp110")
    assert len(corpus.clips) == 67_929
    assert len(corpus.clips) + len(corpus.others) == 104_267


def test_msp_1_8_is_not_recognised_under_the_later_spelling(tmp_path: Path) -> None:
    trees.write_msp(tmp_path, trees.msp_rows("1.8"), "labels_consensus.csv")
    assert msp_podcast.read(tmp_path).version == "unknown"


def test_msp_with_a_hole_in_one_split_is_still_recognised_and_says_so(tmp_path: Path) -> None:
    rows = trees.msp_rows("1.8")
    hole = next(k for k, row in enumerate(rows) if row["Split_Set"] == "Validation")
    trees.write_msp(tmp_path, rows[:hole] + rows[hole + 1 :], "labels_concensus.csv")
    corpus = msp_podcast.read(tmp_path)
    assert corpus.version == "1.8"
    assert "validation has 4771 clips; release 1.8 has 4772" in corpus.notes
    assert counts(corpus, "validation", "*") == 4771


def test_msp_of_another_release_is_unknown_and_has_no_facts(tmp_path: Path) -> None:
    corpus = msp_podcast.read(msp(tmp_path))
    assert corpus.version == "unknown"
    assert any("release not recognised: 20 labelled clips" in note for note in corpus.notes)
    assert msp_podcast.facts(corpus) == {}


@pytest.mark.parametrize("release", ["1.8", "1.10"])
def test_msp_splits_are_mapped(release: str, loaded) -> None:
    corpus = loaded("msp_podcast", {"1.8": "msp18", "1.10": "msp110"}[release])
    sizes = {split: sum(four) for split, four in trees.MSP_FOUR_CLASS[release].items()}
    validation = "Validation" if release == "1.8" else "Development"
    assert corpus.clips["split"].value_counts().to_dict() == {
        "train": sizes["Train"],
        "validation": sizes[validation],
        "test": sizes["Test1"],
        "test2": sizes["Test2"],
    }


def test_msp_tests_on_the_set_asked_for(loaded) -> None:
    corpus = loaded("msp_podcast", "msp18", {"test": "Test2"})
    assert counts(corpus, "test", "*") == sum(trees.MSP_FOUR_CLASS["1.8"]["Test2"])
    assert counts(corpus, "test1", "*") == sum(trees.MSP_FOUR_CLASS["1.8"]["Test1"])


def test_msp_without_the_set_asked_for_says_which_it_has(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusUnfit, match=r"no clip is in Test3; this copy has Development, Test1, Test2, Train"
    ):
        msp_podcast.read(msp(tmp_path), test="Test3")


def test_msp_columns_are_read_by_name_and_extra_ones_kept(tmp_path: Path) -> None:
    first = msp_podcast.read(msp(tmp_path / "a")).clips
    turned = msp_podcast.read(msp(tmp_path / "b", columns=trees.MSP_COLUMNS[::-1])).clips
    assert first[sorted(first)].equals(turned[sorted(turned)])
    assert first.loc[0, ["gender", "arousal", "valence", "dominance"]].tolist() == ["Male", 4.0, 3.0, 5.0]


def test_msp_does_without_the_columns_it_does_not_need(tmp_path: Path) -> None:
    clips = msp_podcast.read(msp(tmp_path, columns=("Split_Set", "SpkrID", "EmoClass", "FileName"))).clips
    assert list(clips) == ["path", "label", "speaker", "split", "fold"]


def test_msp_speaker_may_be_unknown(loaded) -> None:
    corpus = loaded("msp_podcast", "msp18")
    n = int((corpus.clips["speaker"] == "Unknown").sum())
    assert n > 0
    assert f"{n} clips have no speaker identity (SpkrID Unknown)" in corpus.notes


def test_msp_knows_its_one_clip_of_another_rate(loaded) -> None:
    assert any(
        "MSP-PODCAST_1023_0235 is stereo at 44.1 kHz" in note for note in loaded("msp_podcast", "msp18").notes
    )


@pytest.mark.parametrize("place", ["Audios", "Audio", "Audios/Audios", "Audio/Audio", "Audios/Audio"])
def test_msp_audio_is_found_however_it_was_unpacked(place: str, tmp_path: Path) -> None:
    trees.place(msp(tmp_path) / place, ["MSP-PODCAST_0_0", "MSP-PODCAST_0_1"], ".WAV")
    paths = msp_podcast.read(tmp_path).clips["path"].tolist()
    assert f"{place}/MSP-PODCAST_0_0.WAV" in paths
    assert f"{place}/MSP-PODCAST_0_2.wav" in paths, "missing audio is expected beside the rest, as a wav"


def test_msp_without_any_audio_keeps_its_clips(tmp_path: Path) -> None:
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
def test_msp_codes_it_does_not_know_are_refused(change, message: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusUnfit, match=message):
        msp_podcast.read(msp(tmp_path, {}, change))


def test_msp_without_a_needed_column_says_which_it_has(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnfit, match="has no column EmoClass; it has FileName, SpkrID, Split_Set"):
        msp_podcast.read(msp(tmp_path, columns=("FileName", "SpkrID", "Split_Set")))


def test_msp_with_a_clip_listed_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnfit, match="is listed twice"):
        msp_podcast.read(msp(tmp_path, {"FileName": "MSP-PODCAST_0_1.wav"}))


def test_msp_label_file_that_is_a_pointer_is_refused(tmp_path: Path) -> None:
    (msp(tmp_path) / "Labels" / "labels_consensus.csv").write_text(trees.LFS_POINTER)
    with pytest.raises(CorpusUnfit, match="git lfs pull"):
        msp_podcast.read(tmp_path)


def test_rows_of_another_length_are_refused(tmp_path: Path) -> None:
    file = msp(tmp_path) / "Labels" / "labels_consensus.csv"
    header, *lines = file.read_text().splitlines()
    file.write_text("\n".join([header, *(f"{line}," for line in lines)]))
    with pytest.raises(CorpusUnfit, match=r"line 2 has 9 values, the header 8"):
        msp_podcast.read(tmp_path)


# --- IEMOCAP ---


def small_iemocap(top: Path, **options) -> Path:
    """One angry turn a speaker, in one dialogue a session."""
    turns = {
        f"Ses{session:02d}F_impro01": [(f"Ses{session:02d}F_impro01_{gender}000", "ang") for gender in "FM"]
        for session in range(1, 6)
    }
    return trees.write_iemocap(top, turns, **options)


def evaluation(top: Path) -> Path:
    return top / "Session2" / "dialog" / "EmoEvaluation" / "Ses02F_impro01.txt"


def test_iemocap_knows_every_turn(loaded, data: Path) -> None:
    corpus = loaded("iemocap", "iemocap")
    assert len(list(data.glob("iemocap/*/*/Session*/dialog/EmoEvaluation/[!.]*.txt"))) == 151
    assert len(corpus.clips) + len(corpus.others) == 10_039
    assert len(corpus.clips) == 5531
    assert len(loaded("iemocap", "iemocap", {"excited": "dropped"}).clips) == 4490


def test_iemocap_speaker_is_who_speaks_and_not_who_wears_the_markers(loaded) -> None:
    clips = loaded("iemocap", "iemocap").clips
    stems = clips["path"].str.extract(r"([^/]+)\.wav$")[0]
    assert (clips["speaker"] == stems.str[3:5] + stems.str.split("_").str[-1].str[0]).all()
    markers = stems.str[3:6]
    assert (clips["speaker"] != markers).mean() > 0.4, "the tree does not spring the trap"
    assert clips.groupby("speaker")["gender"].nunique().eq(1).all()


def test_iemocap_names_with_a_letter_are_read_like_the_others(loaded) -> None:
    clips = loaded("iemocap", "iemocap").clips
    for dialogue in (
        "Ses03M_impro05a",
        "Ses03M_impro05b",
        "Ses03M_impro08a",
        "Ses03M_impro08b",
        "Ses05M_script01_1b",
    ):
        here = clips[clips["dialogue"] == dialogue]
        assert set(here["speaker"]) == {dialogue[3:5] + "F", dialogue[3:5] + "M"}
        assert here["path"].str.contains(f"/{dialogue}/{dialogue}_").all()


def test_iemocap_folds_are_the_speakers_and_the_partner_validates(loaded) -> None:
    corpus = loaded("iemocap", "iemocap")
    for fold, speaker in enumerate(trees.SPEAKERS):
        tested = corpus.clips.iloc[corpus.part(fold, "test")]
        validating = corpus.clips.iloc[corpus.part(fold, "validation")]
        trained = corpus.clips.iloc[corpus.part(fold, "train")]
        assert set(tested["speaker"]) == {speaker}
        assert set(validating["speaker"]) == {speaker[:2] + ("M" if speaker[2] == "F" else "F")}
        assert not set(trained["dialogue"]) & set(tested["dialogue"]), "a dialogue is on both sides"


def test_iemocap_keeps_what_else_is_known(loaded) -> None:
    clips = loaded("iemocap", "iemocap").clips
    assert set(clips["kind"]) == {"impro", "script"}
    assert set(clips["session"]) == {"01", "02", "03", "04", "05"}
    assert clips.loc[0, ["valence", "arousal", "dominance"]].tolist() == [2.5, 3.0, 3.5]


def test_iemocap_excited_turns_are_happy_or_among_the_others(loaded) -> None:
    happy = loaded("iemocap", "iemocap")
    dropped = loaded("iemocap", "iemocap", {"excited": "dropped"})
    moved = set(happy.clips["path"]) - set(dropped.clips["path"])
    assert len(moved) == 1041
    assert moved <= set(dropped.others)
    assert set(happy.clips.set_index("path").loc[sorted(moved), "label"]) == {"happy"}


def test_iemocap_audio_may_be_missing_or_of_another_suffix(tmp_path: Path) -> None:
    small_iemocap(tmp_path, suffix=".WAV")
    (tmp_path / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.WAV").unlink()
    paths = [path for path in iemocap.read(tmp_path).clips["path"] if path.startswith("Session1")]
    assert "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav" in paths
    assert "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.WAV" in paths


def test_iemocap_without_a_session_is_refused(tmp_path: Path) -> None:
    evaluation(small_iemocap(tmp_path)).unlink()
    with pytest.raises(
        CorpusUnfit, match=r"no evaluation files in .*Session2.*expected those of all of Session1"
    ):
        iemocap.read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "[1.0 - 2.0]\tSes02F_impro01_F001\tzzz\t[2, 3, 4]",
            r"Ses02F_impro01_F001 has the label 'zzz' \(.*line 11\)",
        ),
        (
            "[1.0 - 2.0] Ses02F_impro01_F001 ang [2, 3, 4]",
            r"Ses02F_impro01\.txt, line 11 reads .* separated by tabs",
        ),
        (
            "[1.0 - 2.0]\tSes02F_impro01_X001\tang\t[2, 3, 4]",
            r"line 11 reads .*expected times, a turn's name",
        ),
        ("[1.0 - 2.0]\tSes02F_impro01_F001\tang\t[2, 3]", r"line 11 reads .*three values"),
        (
            "[1.0 - 2.0]\tSes06F_impro01_F001\tang\t[2, 3, 4]",
            r"unknown speaker '06F'; expected one of 01F, 01M",
        ),
    ],
)
def test_iemocap_lines_it_cannot_read_are_refused(line: str, message: str, tmp_path: Path) -> None:
    with evaluation(small_iemocap(tmp_path)).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CorpusUnfit, match=message):
        iemocap.read(tmp_path)


# --- CREMA-D ---

VOTES = {
    "1001_DFA_ANG_XX": ("A", "A"),
    "1002_DFA_HAP_XX": ("N", "H"),
    "1003_IEO_NEU_XX": ("N", "N"),
    "1004_IEO_SAD_LO": ("N:S", "S"),
    "1005_IEO_FEA_HI": ("S", "F"),
    "1006_TIE_DIS_XX": ("D", "D"),
    "1007_TIE_HAP_XX": ("H", "H"),
}


def small_crema_d(top: Path, votes=VOTES, stems=tuple(VOTES), suffix: str = ".wav") -> Path:
    trees.place(top / "AudioWAV", stems, suffix)
    if votes:
        trees.write_votes(top, votes)
    return top


def test_crema_d_tree_is_the_published_one(data: Path) -> None:
    stems = trees.crema_d_stems()
    assert len(stems) == len(set(stems)) == 7442
    assert len({stem[:4] for stem in stems}) == 91


def test_crema_d_knows_every_clip(loaded) -> None:
    for labels, n in (("voice", 5606), ("intended", 4900), ("multimodal", 4799)):
        corpus = loaded("crema_d", "crema_d", {"labels": labels})
        assert len(corpus.clips) == n
        assert len(corpus.clips) + len(corpus.others) == 7442


def test_crema_d_labels_are_the_votes_asked_for(tmp_path: Path) -> None:
    small_crema_d(tmp_path)
    for labels, expected in (
        ("voice", ["angry", "neutral", "neutral", "sad", "happy"]),
        ("multimodal", ["angry", "happy", "neutral", "sad", "happy"]),
        ("intended", ["angry", "happy", "neutral", "sad", "happy"]),
    ):
        assert crema_d.read(tmp_path, labels=labels).clips["label"].tolist() == expected


def test_crema_d_ties_have_no_consensus(tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path))
    assert corpus.others == ("AudioWAV/1004_IEO_SAD_LO.wav", "AudioWAV/1006_TIE_DIS_XX.wav")


@pytest.mark.parametrize("vote", ["", "NA"])
def test_crema_d_clips_nobody_voted_on_are_not_used(vote: str, tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path, VOTES | {"1001_DFA_ANG_XX": (vote, "A")}))
    assert "AudioWAV/1001_DFA_ANG_XX.wav" in corpus.others


def test_crema_d_keeps_what_else_is_known(tmp_path: Path) -> None:
    clips = crema_d.read(small_crema_d(tmp_path)).clips
    row = clips[clips["speaker"] == "1005"].iloc[0]
    assert row[["label", "sentence", "level", "intended"]].tolist() == ["sad", "IEO", "HI", "fear"]


def test_crema_d_random_split_is_70_15_15_of_the_clips(loaded) -> None:
    corpus = loaded("crema_d", "crema_d")
    assert corpus.split_by_clip
    sizes = corpus.clips["split"].value_counts()
    assert sizes.to_dict() == {"train": 5606 - 2 * 841, "validation": 841, "test": 841}


def test_crema_d_speakers_can_be_kept_apart(loaded) -> None:
    corpus = loaded("crema_d", "crema_d", {"split": "speaker-disjoint"})
    assert not corpus.split_by_clip
    speakers = corpus.clips.groupby("split")["speaker"].nunique()
    assert speakers.to_dict() == {"train": 91 - 2 * 14, "validation": 14, "test": 14}


def test_crema_d_speakers_sides_do_not_depend_on_the_labels(loaded) -> None:
    def sides(labels: str) -> dict[str, str]:
        clips = loaded("crema_d", "crema_d", {"split": "speaker-disjoint", "labels": labels}).clips
        return clips.groupby("speaker")["split"].first().to_dict()

    assert sides("voice") == sides("intended")


@pytest.mark.parametrize("split", ["random", "speaker-disjoint"])
def test_crema_d_split_follows_from_the_seed(split: str, loaded) -> None:
    def sides(seed) -> list[str]:
        return loaded("crema_d", "crema_d", {"split": split, "split_seed": seed}).clips["split"].tolist()

    assert sides(None) == sides(0)
    assert sides(0) != sides(1)


def test_crema_d_split_does_not_depend_on_what_audio_is_there(tmp_path: Path, loaded, data: Path) -> None:
    whole = loaded("crema_d", "crema_d")
    (tmp_path / "AudioWAV").mkdir()
    (tmp_path / "processedResults").symlink_to(whole.folder / "processedResults")
    bare = crema_d.read(tmp_path)
    assert bare.clips["split"].tolist() == whole.clips["split"].tolist()
    assert bare.clips["path"].str.endswith(".wav").all()


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
def test_crema_d_seed_must_be_one(seed, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"split_seed = .*; expected a whole number of 0 or more"):
        crema_d.read(small_crema_d(tmp_path), split_seed=seed)


@pytest.mark.parametrize("labels", ["voice", "intended"])
def test_crema_d_old_names_are_the_same_clips(labels: str, loaded) -> None:
    clips = loaded("crema_d", "crema_d", {"labels": labels}).clips.set_index("path")
    assert clips.loc["AudioWAV/1040_ITH_SAD_X.wav", ["label", "level"]].tolist() == ["sad", "XX"]
    assert "AudioWAV/1040_ITH_SAD_XX.wav" not in clips.index
    both = {*clips.index, *loaded("crema_d", "crema_d", {"labels": labels}).others}
    assert "AudioWAV/1002_DFA_ANG_XX.WAV" in both


def test_crema_d_old_name_beside_the_new_one_is_left_out(tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path, stems=[*VOTES, "1007_TIE_HAP_X"]))
    assert len(corpus.clips) + len(corpus.others) == len(VOTES)
    assert any("1007_TIE_HAP_X.wav left out" in note for note in corpus.notes)


def test_crema_d_silent_clip_is_named(loaded) -> None:
    assert any("1076_MTI_SAD_XX is silent" in note for note in loaded("crema_d", "crema_d").notes)


def test_crema_d_clip_that_is_missing_stays(tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path, stems=list(VOTES)[1:]))
    assert "AudioWAV/1001_DFA_ANG_XX.wav" in set(corpus.clips["path"])


def test_crema_d_clip_without_a_vote_is_named(tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path, stems=[*VOTES, "1008_WSI_ANG_XX"]))
    assert "AudioWAV/1008_WSI_ANG_XX.wav" in corpus.others
    assert any("1 clips have no row in" in note and "1008_WSI_ANG_XX" in note for note in corpus.notes)


def test_crema_d_without_votes_says_how_to_do_without(tmp_path: Path) -> None:
    small_crema_d(tmp_path, votes=None)
    assert len(crema_d.read(tmp_path, labels="intended").clips) == 5
    with pytest.raises(CorpusUnfit, match=r'summaryTable\.csv is missing; .* labels = "intended"'):
        crema_d.read(tmp_path)


def test_crema_d_votes_that_are_a_pointer_are_refused(tmp_path: Path) -> None:
    (small_crema_d(tmp_path) / "processedResults" / "summaryTable.csv").write_text(trees.LFS_POINTER)
    with pytest.raises(CorpusUnfit, match="git lfs pull"):
        crema_d.read(tmp_path)


def test_crema_d_table_without_the_column_says_which_it_has(tmp_path: Path) -> None:
    (small_crema_d(tmp_path) / "processedResults" / "summaryTable.csv").write_text("FileName,Vote\n")
    with pytest.raises(CorpusUnfit, match="has no column VoiceVote; it has FileName, Vote"):
        crema_d.read(tmp_path)


@pytest.mark.parametrize("vote", ["Q", "N:Q", "angry"])
def test_crema_d_votes_it_does_not_know_are_refused(vote: str, tmp_path: Path) -> None:
    small_crema_d(tmp_path, VOTES | {"1003_IEO_NEU_XX": (vote, "N")})
    with pytest.raises(
        CorpusUnfit, match=rf"1003_IEO_NEU_XX has the VoiceVote '{vote}'; expected one of A H N S D F"
    ):
        crema_d.read(tmp_path)


@pytest.mark.parametrize("stem", ["noise", "1001_DFA_JOY_XX", "2001_DFA_ANG_XX", "1001_DFA_ANG_ZZ"])
def test_crema_d_names_it_does_not_know_are_refused(stem: str, tmp_path: Path) -> None:
    small_crema_d(tmp_path, stems=[*VOTES, stem])
    for labels in ("voice", "intended"):
        with pytest.raises(
            CorpusUnfit, match=rf"{stem} is not named as its clips are; expected an actor \(1001\.\.1091"
        ):
            crema_d.read(tmp_path, labels=labels)


# --- RAVDESS ---


def test_ravdess_knows_every_clip(loaded) -> None:
    corpus = loaded("ravdess", "ravdess")
    assert (len(corpus.clips), len(corpus.others), corpus.notes) == (672, 1440 - 672, ())


def test_ravdess_calm_is_not_neutral(loaded) -> None:
    corpus = loaded("ravdess", "ravdess")
    assert not corpus.clips["path"].str.contains("/03-01-02-").any()
    assert sum("/03-01-02-" in path for path in corpus.others) == 192


def test_ravdess_folds_are_four_consecutive_actors_two_of_each_gender(loaded) -> None:
    corpus = loaded("ravdess", "ravdess")
    for fold in range(6):
        tested = corpus.clips.iloc[corpus.part(fold, "test")]
        assert sorted(set(tested["speaker"])) == [f"{4 * fold + k:02d}" for k in (1, 2, 3, 4)]
        assert tested.groupby("gender")["speaker"].nunique().to_dict() == {"female": 2, "male": 2}
    assert corpus.validation_fold == (1, 2, 3, 4, 5, 0)


def test_ravdess_can_have_five_folds(loaded) -> None:
    corpus = loaded("ravdess", "ravdess", {"folds": 5})
    assert corpus.clips.groupby("fold")["speaker"].nunique().tolist() == [5, 5, 5, 5, 4]
    assert corpus.validation_fold == (1, 2, 3, 4, 0)


def test_ravdess_keeps_what_else_is_known(loaded) -> None:
    clips = loaded("ravdess", "ravdess").clips.set_index("path")
    row = clips.loc["Actor_12/03-01-05-02-01-02-12.wav"]
    assert row[["label", "intensity", "statement", "repetition", "gender"]].tolist() == [
        "angry",
        "strong",
        "kids",
        2,
        "female",
    ]


def test_ravdess_stray_copy_is_left_out_and_named(tmp_path: Path) -> None:
    trees.place(trees.ravdess(tmp_path) / "Actor_05", ["03-01-05-01-01-01-02"])
    corpus = ravdess.read(tmp_path)
    stray, home = "Actor_05/03-01-05-01-01-01-02.wav", "Actor_02/03-01-05-01-01-01-02.wav"
    assert len(corpus.clips) == 672
    assert home in set(corpus.clips["path"])
    assert stray not in {*corpus.clips["path"], *corpus.others}
    assert corpus.notes == (f"{stray} left out: it lies in another actor's folder, and {home} has its name",)


def test_ravdess_stray_that_is_the_only_copy_stays_under_its_own_actor(tmp_path: Path) -> None:
    name = "03-01-05-01-01-01-02.wav"
    trees.ravdess(tmp_path)
    (tmp_path / "Actor_02" / name).rename(tmp_path / "Actor_05" / name)
    corpus = ravdess.read(tmp_path)
    assert len(corpus.clips) == 672
    assert corpus.clips.set_index("path").loc[f"Actor_05/{name}", "speaker"] == "02"
    assert any("its name says actor 02" in note for note in corpus.notes)


def test_ravdess_song_and_video_are_another_corpus(tmp_path: Path) -> None:
    trees.ravdess(tmp_path)
    trees.place(
        tmp_path / "Actor_01", ["03-02-05-01-01-01-01", "01-01-05-01-01-01-01", "02-01-05-01-01-01-01"]
    )
    corpus = ravdess.read(tmp_path)
    assert len(corpus.clips) == 672
    assert len(corpus.others) == 1440 - 672 + 3
    video = "sound tracks of videos of speech"
    said = {"03-02": "songs", "01-01": video, "02-01": video}
    assert set(corpus.notes) == {
        f"1 {what} ({kind}-...) lie among the speech and are not used,"
        f" Actor_01/{kind}-05-01-01-01-01.wav the first"
        for kind, what in said.items()
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("03-01-09-01-01-01-01", r"is not named as its clips are; .*: 03-01, emotion 01\.\.08"),
        ("03-01-05-03-01-01-01", r"is not named .*, intensity 01 or 02"),
        ("04-01-05-01-01-01-01", r"is not named"),
        ("03-01-05-01-01-01", r"is not named as its clips are; expected seven two-digit numbers"),
        ("03-01-05-01-01-01-25", r"unknown speaker '25'"),
    ],
)
def test_ravdess_names_it_does_not_know_are_refused(name: str, message: str, tmp_path: Path) -> None:
    trees.place(tmp_path / "Actor_01", [name, "03-01-05-01-01-01-01"])
    with pytest.raises(CorpusUnfit, match=message):
        ravdess.read(tmp_path)


# --- EmoDB ---


def test_emodb_knows_every_clip(loaded) -> None:
    corpus = loaded("emodb", "emodb")
    assert (len(corpus.clips), len(corpus.others)) == (339, 535 - 339)


def test_emodb_folds_are_a_man_and_a_woman(loaded) -> None:
    corpus = loaded("emodb", "emodb")
    men, women = {"03", "10", "11", "12", "15"}, {"08", "09", "13", "14", "16"}
    for fold in range(5):
        tested = corpus.clips.iloc[corpus.part(fold, "test")]
        speakers = set(tested["speaker"])
        assert (len(speakers & men), len(speakers & women), len(speakers)) == (1, 1, 2)
        assert set(tested.loc[tested["gender"] == "male", "speaker"]) == speakers & men
    assert corpus.validation_fold == (1, 2, 3, 4, 0)


def test_emodb_keeps_the_text(loaded) -> None:
    clips = loaded("emodb", "emodb").clips.set_index("path")
    assert clips.loc["wav/03a01Wa.wav", ["label", "text", "gender"]].tolist() == ["angry", "a01", "male"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("03a01Xa", r"wav/03a01Xa\.wav is not named as its clips are; .*one of W F N T A E L"),
        ("noise", r"wav/noise\.wav is not named"),
        ("07a01Wa", r"unknown speaker '07'; expected one of 03, 08"),
    ],
)
def test_emodb_names_it_does_not_know_are_refused(name: str, message: str, tmp_path: Path) -> None:
    trees.place(trees.emodb(tmp_path) / "wav", [name])
    with pytest.raises(CorpusUnfit, match=message):
        emodb.read(tmp_path)
