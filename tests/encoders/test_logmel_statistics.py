"""The baseline of log-mel statistics: its features against librosa's, its fit against scikit-learn's."""

import librosa
import numpy as np
import pytest
import torch
from scipy import signal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from serkit import encoders
from serkit.augment import Augmenting, Waves, draw
from serkit.effects import Augmentation
from serkit.encoders.cnn14.logmel import MEL_BANDS, NAMED
from serkit.encoders.logmel_statistics import LogmelStatistics
from serkit.errors import SpecError
from serkit.heads import Fitted
from serkit.loader import Loader
from serkit.specs import STATISTICS, ModelSpec, Recipe
from serkit.train import Evaluation, embed, train
from tests.made_clips import FRONT_END, clips_of, noises

WIDTH = 2 * MEL_BANDS
ONCE = Recipe(epochs=1, batch_size=8)

pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filterbank")


def waves_of(*lengths, seed=0):
    """Noise that swells, one wave of each length: float32 [samples]."""
    random = np.random.default_rng(seed)
    return [(0.1 * random.standard_normal(n) * np.linspace(0.05, 1, n)).astype(np.float32) for n in lengths]


def batch(waves, masks=None, garbage=0.0):
    lengths = np.array([len(wave) for wave in waves])
    padded = torch.full((len(waves), int(lengths.max())), garbage)
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    return Waves(padded, lengths, masks=masks)


def statistics(waves, name="native-16k", **how):
    return LogmelStatistics(NAMED[name]).inputs([batch(waves, **how)])[0].numpy()


def learnable(clips, seed=0, labels=4):
    """Features in which each label has its own mean, some features larger than others, and the labels."""
    random = np.random.default_rng(seed)
    codes = random.permutation(np.arange(clips) % labels)
    means = random.normal(size=(labels, WIDTH))
    features = 0.3 * means[codes] + random.normal(size=(clips, WIDTH))
    return (features * random.uniform(0.1, 30, WIDTH) - 40).astype(np.float32), codes


def fitted(features, codes, outputs=4):
    model = Fitted(LogmelStatistics(FRONT_END), outputs)
    model.fit(features, codes)
    return model


@torch.no_grad()
def said(model, features):
    return torch.softmax(model(torch.from_numpy(features)), dim=1).numpy()


# --- features ---


@pytest.mark.parametrize(
    ("name", "window", "hop", "low", "high"),
    [("native-16k", 512, 160, 50, 8000), ("native-32k", 1024, 320, 50, 14000)],
)
def test_features_are_numpys_with_librosas_filters(name, window, hop, low, high):
    filters = librosa.filters.mel(sr=NAMED[name].rate_hz, n_fft=window, n_mels=MEL_BANDS, fmin=low, fmax=high)
    for wave in waves_of(16_000, 12_345):
        mirrored = np.pad(wave.astype(np.float64), window // 2, mode="reflect")
        pieces = np.lib.stride_tricks.sliding_window_view(mirrored, window)[::hop]
        power = np.abs(np.fft.rfft(pieces * signal.get_window("hann", window))) ** 2 @ filters.T
        decibels = 10 * np.log10(np.maximum(power, 1e-10))
        expected = np.concatenate([decibels.mean(axis=0), decibels.std(axis=0)])
        np.testing.assert_allclose(statistics([wave], name)[0], expected, atol=2e-4)
        assert expected[MEL_BANDS:].min() > 3  # it swells


@pytest.mark.parametrize("garbage", [0.0, 1e3])
def test_a_clips_features_do_not_depend_on_its_batch(garbage):
    waves = waves_of(9_000, 30_000, 5_000, 16_000)
    together = statistics(waves, garbage=garbage)
    alone = np.concatenate([statistics([wave]) for wave in waves])
    np.testing.assert_allclose(together, alone, atol=1e-5 * np.abs(alone).max())


def test_parts_of_a_batch_are_one_after_the_other():
    waves, model = waves_of(9_000, 30_000, 5_000), LogmelStatistics(NAMED["native-16k"])
    (whole,) = model.inputs([batch(waves)])
    (parts,) = model.inputs([batch(waves[:2]), batch(waves[2:])])
    torch.testing.assert_close(parts, whole, atol=1e-4, rtol=0)


def test_features_are_those_of_the_loaders_clips():
    """Of the start of long ones, whatever fills a batch."""
    waves = noises(11, 800, 30_000, seed=4)
    loader = Loader(FRONT_END, Recipe(batch_size=4, max_seconds=0.7), "cpu")
    model = encoders.build(STATISTICS, 0)
    found = embed(model, clips_of(waves), loader)
    cropped = [wave[:11_200].astype(np.float32) / 32768 for wave in waves]
    expected = np.concatenate([statistics([wave], "paper-loaded") for wave in cropped])
    np.testing.assert_allclose(found, expected, atol=1e-3)


def masking(clips, **settings):
    quiet = {"time_masks": 1, "time_mask_share": (0, 0), "band_masks": 1, "mask_bands": (0, 0)}
    augmentation = Augmentation(effects=("specaugment",), **{**quiet, **settings})
    return draw(Augmenting(augmentation, 100), 0, 0, clips)


def test_masked_frames_are_left_out():
    """Whatever is heard in them; numpy's mean and deviation of the frames that are left."""
    waves = waves_of(16_000, 24_000)
    drawn = masking(2, time_masks=2, time_mask_share=(0.2, 0.4))
    model = LogmelStatistics(NAMED["native-16k"])
    logmel, frames, masked = model.logmel.inputs([batch(waves, drawn)])
    found = statistics(waves, masks=drawn)
    for row, cells in enumerate(logmel.numpy()):
        blank = masked[row, : frames[row]].numpy()
        assert 0.1 < blank.mean() < 0.7
        assert (blank.all(axis=1) == blank.any(axis=1)).all()
        left = cells[: frames[row]][~blank.any(axis=1)]
        expected = np.concatenate([left.mean(axis=0), left.std(axis=0)])
        np.testing.assert_allclose(found[row], expected, atol=1e-4)
    assert np.abs(found - statistics(waves)).max() > 0.1


def test_a_masked_band_is_unknown_and_counts_as_the_average_one():
    """As CNN14 blanks a cell: 0 once it is standardised, not the 0 dB that no speech has."""
    waves = waves_of(16_000, 24_000)
    drawn = masking(2, mask_bands=(5, 9))
    found, whole = statistics(waves, masks=drawn), statistics(waves)
    blank = np.isnan(found)
    assert blank[:, :MEL_BANDS].sum(axis=1).tolist() == drawn.band_masks[:, 0, 0].tolist()
    np.testing.assert_array_equal(blank[:, :MEL_BANDS], blank[:, MEL_BANDS:])
    np.testing.assert_allclose(found[~blank], whole[~blank], atol=1e-5)

    features, codes = learnable(80)
    model = fitted(features, codes)
    gone = features.copy()
    gone[:, 3] = np.nan
    average = features.copy()
    average[:, 3] = features.astype(np.float64).mean(axis=0)[3]
    np.testing.assert_allclose(said(model, gone), said(model, average), atol=1e-5)


def test_fitting_heeds_no_cell_that_is_unknown():
    """Of such a feature the mean and deviation of the others; scikit-learn's, with its mean for the gaps."""
    features, codes = learnable(80)
    gaps = np.random.default_rng(1).random(features.shape) < 0.05
    gaps[:, ::2] = False
    features[gaps] = np.nan
    scaler = StandardScaler().fit(features)
    filled = np.where(gaps, 0, scaler.transform(features))
    reference = LogisticRegression(max_iter=2000).fit(filled, codes).predict_proba(filled)
    np.testing.assert_allclose(said(fitted(features, codes), features), reference, atol=1e-5)


# --- the fit ---


@pytest.mark.parametrize("labels", [4, 3, 2])
def test_probabilities_are_scikit_learns(labels):
    """Labels that are absent are never said; of two, one row of coefficients stands for both."""
    features, codes = learnable(120, labels=labels)
    codes = np.asarray([0, 3, 1, 2])[codes]
    others, _ = learnable(50, seed=1)
    reference = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(features, codes)
    model = fitted(features, codes)
    for each in (features, others):
        expected = np.zeros((len(each), 4))
        expected[:, reference.classes_] = reference.predict_proba(each)
        np.testing.assert_allclose(said(model, each), expected, atol=1e-5)
    absent = sorted(set(range(4)) - set(codes))
    assert said(model, 1e3 * others)[:, absent].sum() < 1e-15


def test_outputs_per_corpus_are_scikit_learns_classes():
    features, codes = learnable(160, labels=8)
    reference = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(features, codes)
    found = said(fitted(features, codes, outputs=8), features)
    np.testing.assert_allclose(found, reference.predict_proba(features), atol=1e-5)


def test_one_label_cannot_be_told_from_others():
    features, _ = learnable(20)
    with pytest.raises(SpecError, match="all training clips have one label; expected two to tell apart"):
        fitted(features, np.full(20, 2))


def test_a_feature_that_never_changes_says_nothing():
    """As in the bands of paper-rebuilt that no filter reaches: all of them are the floor."""
    features, codes = learnable(80)
    features[:, 5] = -100
    moved = features.copy()
    moved[:, 5] = -100
    found = said(fitted(features, codes), moved)
    assert np.isfinite(found).all()
    reference = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(features, codes)
    np.testing.assert_allclose(found, reference.predict_proba(moved), atol=1e-5)


# --- as an encoder ---


def test_what_it_heeds():
    assert (
        encoders.describe(ModelSpec(encoder="logmel_statistics", front_end="native-16k", weights=None))
        == (NAMED["native-16k"])
    )
    assert ModelSpec(encoder="logmel_statistics", width=6) == STATISTICS, "what is CNN14's does not count"


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_training_is_one_fit_to_the_clips_of_all_epochs(epochs):
    """Against scikit-learn on features that are made one clip at a time."""
    waves, others = noises(30, 9000, 14_000, seed=2), noises(9, 9000, 14_000, seed=3)
    labels = np.arange(30) % 4
    recipe = Recipe(epochs=epochs, batch_size=8, evaluations_per_epoch=1 / epochs)
    loader, model = Loader(FRONT_END, recipe, "cpu"), encoders.build(STATISTICS, 0)
    told = []
    evaluation = Evaluation(clips_of(others), 9, lambda scores: {"metric": len(scores)})
    done = train(model, loader, clips_of(waves, labels), evaluation, told.append)

    features, tested = (
        np.concatenate([statistics([wave.astype(np.float32) / 32768], "paper-loaded") for wave in each])
        for each in (waves, others)
    )
    reference = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    reference.fit(features, labels)  # as often as there are epochs, and the penalty as well
    np.testing.assert_allclose(done.scores, reference.predict_proba(tested), atol=2e-3)
    np.testing.assert_array_equal(done.tail, done.scores)
    (entry,) = done.history
    assert told == [entry | {"of": 1}]
    assert (entry["iteration"], entry["epoch"], entry["metric"]) == (1, epochs, 9)
    right = reference.predict_proba(features)[np.eye(4)[labels] == 1]
    wrong = reference.predict_proba(features)[np.eye(4)[labels] == 0]
    loss = -np.concatenate([np.log(right), np.log1p(-wrong)]).mean()
    assert entry["loss"] == pytest.approx(loss, abs=1e-3)
    assert done.affected == [0.0] * epochs


def test_augmented_clips_of_each_epoch_are_other_features():
    recipe = Recipe(epochs=3, batch_size=8, evaluations_per_epoch=1 / 3)
    augmenting = Augmenting(Augmentation(effects=("noise", "specaugment")), 50)
    scores = []
    for how in (None, augmenting):
        loader, model = Loader(FRONT_END, recipe, "cpu", how), encoders.build(STATISTICS, 0)
        evaluation = Evaluation(clips_of(noises(5, seed=3)), 5, lambda scores: {})
        done = train(model, loader, clips_of(noises(24, seed=2)), evaluation)
        assert np.isfinite(done.scores).all()
        scores.append(done.scores)
    assert len(set(done.affected)) > 1
    assert np.abs(scores[0] - scores[1]).max() > 0.01


def test_more_than_one_evaluation_is_refused_with_the_cure():
    loader = Loader(FRONT_END, Recipe(epochs=2), "cpu")
    evaluation = Evaluation(clips_of(noises(2)), 2, lambda scores: {})
    words = "2 evaluations of an encoder that is fitted at once; set epochs = 1 and evaluations_per_epoch = 1"
    with pytest.raises(SpecError, match=words):
        train(encoders.build(STATISTICS, 0), loader, clips_of(noises(4)), evaluation)
