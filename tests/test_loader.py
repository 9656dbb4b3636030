"""What the network is given: the same for a clip whatever way it came and whoever else is in its batch."""

import dataclasses
import types

import numpy as np
import pytest
import torch

from serkit.augment import Augmenting, draw
from serkit.clips import join
from serkit.effects import EFFECTS, STRETCH_METHODS, Augmentation
from serkit.encoders.cnn14.logmel import LogMel
from serkit.errors import SpecError
from serkit.loader import (
    Epoch,
    Loader,
    crop_starts,
    gathered,
    level_gains,
    max_samples,
    shuffled_batches,
)
from serkit.specs import POOLED_BY, Recipe
from tests.made_clips import FRONT_END, RATE_HZ, SPOKEN, clips_of, noises

FADE = Augmentation(effects=("fade",))  # the cheapest
LOGMEL = LogMel(FRONT_END)
STRETCH = Augmenting(Augmentation(effects=("stretch",)))


# --- ways to the device ---


def test_a_gathered_batch_is_the_one_read():
    """Packs that lie on the device, as on a GPU with room for them; here the device is the CPU."""
    one, two = (clips_of(noises(20, 50, 900, seed)) for seed in (1, 2))
    clips = join([(one.packs[0], np.arange(3, 20), one.label[3:]), (two.packs[0], np.arange(20), two.label)])
    longest = 600
    resident = [torch.from_numpy(pack.samples) for pack in clips.packs]
    random = np.random.default_rng(0)
    for size in (1, 12, 37):
        batch = random.permutation(37)[:size]
        lengths = np.minimum(clips.lengths[batch], longest)
        starts = crop_starts(clips.lengths, longest, 0, size)[batch]
        read = np.ones((size, longest), dtype=np.int16)
        clips.read(batch, starts, lengths, read)
        made = gathered(resident, clips.corpus[batch], clips.first_samples[batch] + starts, lengths, longest)
        assert made.dtype == torch.int16
        np.testing.assert_array_equal(made, read)


# --- epochs ---


def test_a_cap_is_in_samples_and_leaves_what_the_network_needs():
    assert max_samples(FRONT_END, 2.5) == 40_000
    assert max_samples(FRONT_END, 0.1) == FRONT_END.min_samples > 1600


def test_an_epoch_is_drawn_of_its_number_and_the_seed():
    clips = clips_of(SPOKEN)
    loader = Loader(FRONT_END, Recipe(max_seconds=1.0, batch_size=4), "cpu", Augmenting(FADE, 50), seed=3)
    epoch = loader.epoch(clips, 2)
    np.testing.assert_array_equal(np.sort(np.concatenate(epoch.batches)), np.arange(13))
    np.testing.assert_array_equal(epoch.starts, crop_starts(clips.lengths, RATE_HZ, 3, 2))
    drawn = draw(Augmenting(FADE, 50), 3, 2, 13)
    np.testing.assert_array_equal(epoch.drawn.affected, drawn.affected)
    assert epoch.affected == drawn.affected.mean()
    plain = Loader(FRONT_END, loader.recipe, "cpu", seed=3).epoch(clips, 2)
    assert (plain.drawn, plain.affected) == (None, 0.0)


@pytest.mark.parametrize("method", STRETCH_METHODS)
def test_batches_are_of_clips_that_come_out_as_long(loaders, method):
    """By what is left of a clip after cropping and stretching: its frames, which the network pays for."""
    clips, loader = clips_of(SPOKEN), loaders[method]
    given = drawn(loader, 50)
    logmels, _ = load(loader, clips, drawn=given)
    sizes = loader.sizes(clips, given)
    frames = np.maximum(np.floor(sizes / FRONT_END.hop_samples) + 1, 32)
    assert np.abs(frames - [len(logmel) for logmel in logmels]).max() <= 1
    assert len(np.unique(sizes)) > 5
    np.testing.assert_array_equal(loader.sizes(clips), np.minimum(clips.lengths, loader.longest))


def test_a_stretched_epoch_is_hardly_padded():
    """Half of the padding, or less, of batches by the clips' own lengths."""
    random = np.random.default_rng(0)
    clips = clips_of([np.zeros(n, dtype=np.int16) for n in random.integers(16_000, 48_000, 512)])
    loader = Loader(FRONT_END, Recipe(batch_size=8), "cpu", STRETCH)
    epoch = loader.epoch(clips, 0)
    sizes = loader.sizes(clips, epoch.drawn)

    def padding(batches):
        return 1 - sizes.sum() / sum(len(batch) * sizes[batch].max() for batch in batches)

    assert padding(epoch.batches) < 0.05
    assert padding(shuffled_batches(clips.lengths, 8, 0, 0)) > 0.1


def test_batches_are_filled_by_the_clips_own_lengths_where_the_recipe_says_so():
    clips = clips_of(SPOKEN)
    recipes = {by: Recipe(batch_size=3, max_seconds=1.0, pool_by=by) for by in POOLED_BY}
    epochs = {by: Loader(FRONT_END, recipe, "cpu", STRETCH).epoch(clips, 1) for by, recipe in recipes.items()}
    own = shuffled_batches(clips.lengths, 3, 0, 1)
    assert all(map(np.array_equal, epochs["own"].batches, own))
    assert not all(map(np.array_equal, epochs["stretched"].batches, own))


# --- augmentation ---


@pytest.fixture(scope="module")
def loaders():
    """One a stretch method, with every effect: their tables take a second to make."""
    every = {method: Augmenting(Augmentation(stretch_method=method)) for method in STRETCH_METHODS}
    recipe = Recipe(max_seconds=1.5)
    return {method: Loader(FRONT_END, recipe, "cpu", effects) for method, effects in every.items()}


def drawn(loader, percent, epoch=0, clips=13):
    return draw(Augmenting(loader.augmenting.spec, percent), 0, epoch, clips)


def load(loader, clips, which=None, drawn=None):
    """Each clip's own frames of log-mel, and of its masks where there are any."""
    which = np.arange(len(clips)) if which is None else which
    epoch = None if drawn is None else Epoch([which], np.zeros(len(clips), dtype=np.int64), drawn)
    logmel, frames, masked = LOGMEL.inputs(loader.load(clips, which, epoch))
    assert frames.min() >= 32
    assert logmel.shape[:2] == (len(which), max(map(len, logmel)))
    each = [one[:n] for one, n in zip(logmel, frames, strict=True)]
    return each, None if masked is None else [one[:n] for one, n in zip(masked, frames, strict=True)]


@pytest.mark.parametrize("method", STRETCH_METHODS)
def test_clips_that_are_not_affected_are_loaded_as_ever(loaders, method):
    """Bit for bit, beside others that are; and only the affected have cells to mask."""
    clips = clips_of(SPOKEN)
    plain, none = load(loaders[method], clips)
    assert none is None
    seen = set()
    for epoch in range(2):
        given = drawn(loaders[method], 50, epoch)
        logmels, masks = load(loaders[method], clips, drawn=given)
        for affected, logmel, masked, before in zip(given.affected, logmels, masks, plain, strict=True):
            seen.add(bool(affected))
            assert affected or torch.equal(logmel, before)
            assert affected == bool(masked.any())
            assert not affected or logmel.shape != before.shape or (logmel - before).abs().max() > 1
    assert seen == {True, False}


@pytest.mark.parametrize("method", STRETCH_METHODS)
def test_an_affected_clip_is_the_same_alone(loaders, method):
    """Within 1e-3 dB: with its mates the FFT's length changes, and with it the last bits."""
    clips = clips_of([*SPOKEN, SPOKEN[0][:1], SPOKEN[0][:1500], np.zeros(4000, dtype=np.int16)])
    given = drawn(loaders[method], 100, clips=len(clips))
    given = dataclasses.replace(given, affected=np.arange(len(clips)) % 4 > 0)  # some of each batch, not all
    logmels, masks = load(loaders[method], clips, drawn=given)
    for i, (together, masked) in enumerate(zip(logmels, masks, strict=True)):
        (alone,), (alone_masked,) = load(loaders[method], clips, np.array([i]), given)
        assert torch.equal(alone_masked, masked)
        assert alone.isfinite().all()
        torch.testing.assert_close(alone, together, atol=1e-3, rtol=0)


@pytest.mark.parametrize("method", STRETCH_METHODS)
def test_a_faster_clip_has_fewer_frames(loaders, method):
    clips = clips_of(SPOKEN)
    given = drawn(loaders[method], 50)
    logmels, _ = load(loaders[method], clips, drawn=given)
    rates = np.where(given.affected, given.stretch_rate, 1)
    seconds = np.minimum(clips.lengths / RATE_HZ, 1.5) / rates  # longer ones are cropped before they change
    frames = np.maximum(np.floor(50 * seconds) + 1, 32)
    assert (frames > 32).sum() > 5
    assert [len(logmel) for logmel in logmels] == frames.tolist()


@pytest.mark.parametrize("effect", EFFECTS)
def test_every_effect_reaches_the_network(effect):
    """By itself it changes what the network is given of each clip: log-mel, how many frames, or masks."""
    clips = clips_of(SPOKEN[:4])
    loader = Loader(FRONT_END, Recipe(), "cpu", Augmenting(Augmentation(effects=(effect,))))
    plain, _ = load(loader, clips)
    logmels, masks = load(loader, clips, drawn=drawn(loader, 100, clips=4))
    if effect == "specaugment":
        assert all(map(torch.equal, plain, logmels))
        assert all(0 < masked.float().mean() < 0.5 for masked in masks)
    else:
        assert masks is None
        for before, after in zip(plain, logmels, strict=True):
            assert before.shape != after.shape or (before - after).abs().max() > 0.1


def test_a_loud_and_a_quiet_clip_are_augmented_alike(loaders):
    """Levels are brought to one before anything else, so a quarter of the level is the same to the bit."""
    loader = Loader(FRONT_END, Recipe(max_seconds=1.5, loudness_dbfs=-40), "cpu", Augmenting(FADE))
    loader.augmenting, loader.chain = loaders["vocoder"].augmenting, loaders["vocoder"].chain
    loud = [4 * wave for wave in SPOKEN[:5]]
    given = drawn(loader, 100, clips=5)
    ours = [load(loader, clips_of(waves), drawn=given)[0] for waves in (loud, [wave // 4 for wave in loud])]
    assert all(map(torch.equal, *ours))
    without = load(loaders["vocoder"], clips_of(loud), drawn=given)[0]
    assert all((one - other).abs().mean() > 1 for one, other in zip(ours[0], without, strict=True))


# --- augmentation, for encoders that take waves ---

OF_WAVES = types.SimpleNamespace(rate_hz=RATE_HZ, min_samples=800, takes="waves")


def on_waves(spec, percent):
    """A loader for an encoder of waves, a draw, and the waves that it is given: each clip's own samples."""
    clips = clips_of(SPOKEN)
    loader = Loader(OF_WAVES, Recipe(max_seconds=1.5), "cpu", Augmenting(spec, percent))
    given = drawn(loader, percent)
    epoch = Epoch([np.arange(13)], np.zeros(13, dtype=np.int64), given)
    parts = list(loader.load(clips, np.arange(13), epoch))
    assert all(part.rates is None and part.masks is None for part in parts)
    made = [wave[:n] for part in parts for wave, n in zip(part.waves, part.samples, strict=True)]
    whole = [torch.from_numpy(wave[:24_000] / 32768).float() for wave in SPOKEN]
    np.testing.assert_allclose([len(wave) for wave in made], loader.sizes(clips, given), atol=0.5)
    return given, whole, made


@pytest.mark.parametrize("method", STRETCH_METHODS)
def test_waves_that_are_not_affected_are_loaded_as_ever(method):
    given, whole, made = on_waves(Augmentation(stretch_method=method), 50)
    assert 0 < given.affected.sum() < 13
    for affected, before, after in zip(given.affected, whole, made, strict=True):
        assert affected != torch.equal(before, after)


@pytest.mark.parametrize("effect", EFFECTS)
def test_every_effect_reaches_an_encoder_of_waves(effect):
    """By itself it changes each wave; none is left to features that there are not."""
    _, whole, made = on_waves(Augmentation(effects=(effect,)), 100)
    assert not any(map(torch.equal, whole, made))


def test_encoders_of_both_kinds_get_the_same_draws(loaders):
    """One epoch of one study: the same batches, crops and parameters, for log-mel and for waves."""
    clips = clips_of(SPOKEN)
    one = loaders["feature"].epoch(clips, 1)
    other = Loader(OF_WAVES, Recipe(max_seconds=1.5), "cpu", loaders["feature"].augmenting).epoch(clips, 1)
    assert all(map(np.array_equal, one.batches, other.batches))
    np.testing.assert_array_equal(one.starts, other.starts)
    for field in dataclasses.fields(one.drawn):
        np.testing.assert_array_equal(getattr(one.drawn, field.name), getattr(other.drawn, field.name))


def test_an_encoder_of_another_kind_is_not_augmented_by_halves():
    """What it takes decides what becomes of stretch and SpecAugment: refused, before any is left out."""
    of_words = types.SimpleNamespace(rate_hz=RATE_HZ, min_samples=800, takes="words")
    with pytest.raises(SpecError, match="takes 'words': expected one of logmel, waves"):
        Loader(of_words, Recipe(), "cpu", Augmenting(FADE))
    Loader(of_words, Recipe(), "cpu")


# --- loudness ---


def dbfs(wave):
    return 10 * np.log10(np.mean(np.square(wave)))


@pytest.mark.parametrize("asked", [-40.0, -26.0])
def test_gains_reach_the_level(asked):
    random = np.random.default_rng(0)
    lengths = np.array([4000, 2500, 3999, 1])
    waves = np.zeros((4, 4000), dtype=np.int16)
    for wave, length, level in zip(waves, lengths, (20, 3000, 300, 40), strict=True):
        wave[:length] = np.rint(random.uniform(-level, level, length)) + (length == 1) * 50
    gains = level_gains(torch.from_numpy(waves).float() / 32768, torch.from_numpy(lengths), asked)
    assert gains.dtype == torch.float32
    for wave, length, gain in zip(waves, lengths, gains, strict=True):
        assert dbfs(wave[:length] / 32768 * gain.item()) == pytest.approx(asked, abs=0.01)


def test_gains_never_clip_and_leave_silence():
    waves = np.zeros((3, 1000), dtype=np.int16)
    waves[0, 500] = 8000  # a click: level out of reach
    waves[1, :] = np.tile([-32768, 32767], 500)  # full scale already
    gains = level_gains(torch.from_numpy(waves).float() / 32768, torch.full((3,), 1000), -3.0).numpy()
    peaks = np.abs(waves.astype(float) / 32768 * gains[:, None]).max(axis=1)
    assert peaks[0] == pytest.approx(1, abs=1e-6)  # as loud as it can be
    assert peaks[1] == pytest.approx(10 ** (-3 / 20), rel=1e-4)
    assert gains[2] == 1
