"""What a study costs: clips against the sets that a run really makes, hours against hand-made schedules."""

import pytest

from benchmark import cost
from benchmark import study as studies
from benchmark.cost import Device, Speech, Work, makespan
from benchmark.study import Case
from serkit.errors import CorpusMissing
from serkit.job import load
from serkit.place import Place
from serkit.results import Store
from serkit.splits import split
from tests import corpus_trees

FOLDED = """
title = "Folds, one split, and a corpus that is only tested"
rates_percent = [0, 50]
[model]
width = 1
weights = ""
[recipe]
epochs = 3
max_seconds = 1.0
evaluations_per_epoch = 2
[corpora.large]
reader = "synthetic"
[corpora.folded]
reader = "synthetic"
folds = 3
options = { role = "B" }
scramble = { neutral = "sad", sad = "neutral", happy = "angry", angry = "happy" }
[corpora.mixed]
reader = "synthetic"
options = { role = "C" }
[figure3]
train = [["large", "folded_scrambled"], ["mixed"]]
test = ["folded_scrambled", "folded"]
"""

PLAIN = Device(1, 1, 1)


def as_long_as(*seconds):
    """Runs of so many seconds on `PLAIN`, each with an estimate that is right."""
    spec = studies.read("paper").runs(("cremad",), 0)[0]
    return [Work(Case(spec, ("table1",), each), Speech(1, each), Speech()) for each in seconds]


def test_clips_and_seconds_are_those_of_the_sets_a_run_makes(tmp_path, monkeypatch, synthetic_cache):
    monkeypatch.setenv("SERKIT_CACHE", str(synthetic_cache))
    (tmp_path / "folded.toml").write_text(FOLDED)
    study = studies.read(str(tmp_path / "folded.toml"))
    works = cost.work(studies.plan(study), cost.sizes(study, None))
    assert len(works) == 2 * (3 + 1)
    loaded = {spec.name: load(spec, 16_000, Place(Store(tmp_path))) for spec in study.corpora}
    for work in works:
        spec = work.case.spec
        for speech, clips, times in (
            (work.training, split(spec, loaded).training, 3),
            (work.scoring, split(spec, loaded).evaluation, 6),
        ):
            assert speech.clips == times * len(clips)
            assert speech.seconds == pytest.approx(times * sum(min(n / 16_000, 1.0) for n in clips.lengths))


def test_a_cap_is_counted(tmp_path):
    text = (studies.BUILT_IN / "paper.toml").read_text().replace("= 3900", "= 3900\nmax_training_clips = 100")
    (tmp_path / "few.toml").write_text(text)
    study = studies.read(str(tmp_path / "few.toml"))
    works = {each.case.id: each for each in cost.work(studies.plan(study), cost.sizes(study, tmp_path))}
    few = works["cremad-aug20"]
    assert (few.training.clips, few.training.seconds) == (30 * 100, pytest.approx(30 * 100 * 2.5))
    assert few.case.cost == 30 * 100
    assert works["msp+cremad-aug0"].case.cost == 30 * (41_000 + 100)


def test_published_sizes_stand_in_for_absent_corpora(tmp_path):
    study = studies.read("paper")
    sizes = cost.sizes(study, tmp_path)
    assert {size.clips_from for size in sizes.values()} == {"published"}
    works = cost.work(studies.plan(study), sizes)
    assert len(works) == 415
    msp = next(work for work in works if work.case.id == "msp-aug0")
    assert msp.training.clips == pytest.approx(30 * 41_000, rel=0.01)  # about 41,000 clips x 30 epochs
    assert msp.training.seconds / msp.training.clips == pytest.approx(5.7)
    cremad = next(work for work in works if work.case.id == "cremad-aug20")
    assert cremad.training.clips == 30 * 3924  # 5,606 less twice 15 %
    assert cremad.scoring.clips == pytest.approx(30 * (841 + 841 + 5531 + 11_012), rel=0.001)


def test_clips_of_a_corpus_never_packed_are_counted_and_nothing_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    votes = {f"{actor}_IEO_ANG_HI": ("A", "A") for actor in range(1001, 1021)}
    corpus_trees.write_votes(tmp_path / "CREMA-D", votes)
    corpus_trees.place(tmp_path / "CREMA-D" / "AudioWAV", votes)  # empty: none could be read
    (tmp_path / "one.toml").write_text(
        'title = "One"\n[corpora.one]\nreader = "crema_d"\n[table1]\ntrain = [["one"]]\n'
    )
    size = cost.sizes(studies.read(str(tmp_path / "one.toml")), tmp_path)["one"]
    assert (size.clips_from, size.lengths_from) == ("counted", "published")
    assert [part.clips for part in size.folds[0].values()] == [14, 3, 3]
    assert size.folds[0]["test"].seconds == pytest.approx(3 * 2.5)


def test_a_corpus_of_which_nothing_is_known_must_be_there(tmp_path):
    with pytest.raises(CorpusMissing, match="RAVDESS"):
        cost.sizes(studies.read("open"), tmp_path)


def test_augmentation_counts_by_its_rate():
    spec = studies.read("paper").runs(("cremad",), 20)[0]
    work = Work(Case(spec, ("table1",), 1), Speech(100, 250.0), Speech(10, 25.0))
    device = Device(plain=1, augmented=2, scoring=4, start_s=7)
    assert device.seconds(work) == pytest.approx(200 * 1 + 50 * 2 + 25 * 4 + 7)


@pytest.mark.parametrize(
    ("seconds", "devices", "wanted"),
    [
        ((5, 3, 2), 1, 10),
        ((5, 3, 2), 16, 5),
        # dealt 9, 1 and 8, 2; the rest as each is done: 9+1+4 and 8+2+6
        ((1, 2, 4, 6, 8, 9), 2, 16),
        # fewer than two each: 7, 6, 5 and then the shortest to the first
        ((5, 6, 7, 2), 3, 9),
    ],
)
def test_makespan_of_schedules_made_by_hand(seconds, devices, wanted):
    assert makespan(as_long_as(*seconds), PLAIN, devices) == wanted


def test_many_like_runs_fill_every_device():
    assert makespan(as_long_as(*[3] * 64), PLAIN, 16) == 12
