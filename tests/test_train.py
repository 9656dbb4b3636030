"""Training: the loss against PyTorch's, and a loop that is the same every time."""

import dataclasses
import functools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from serkit.augment import Augmenting, draw
from serkit.clips import ClipSet
from serkit.effects import STRETCH_METHODS, Augmentation
from serkit.encoders import build
from serkit.loader import Loader
from serkit.specs import SCHEDULES, ModelSpec, Recipe
from serkit.steps import RISE, bce_of_softmax, share_of_rate, step
from serkit.train import Evaluation, TrainingDiverged, predict, train
from tests.made_clips import FRONT_END, RATE_HZ, SHORTEST, SPOKEN, clips_of, noises


def network(seed=0, width=1):
    return build(ModelSpec(width=width, weights=None), seed)


def trained(
    training,
    evaluation=None,
    seed=0,
    score=lambda scores: {},
    progress=None,
    model=None,
    augmenting=None,
    **recipe,
):
    """A training and the state it leaves."""
    model = model or network(seed)
    recipe = Recipe(**{"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, **recipe})
    evaluation = evaluation or clips_of(noises(3, seed=9))
    loader = Loader(FRONT_END, recipe, "cpu", augmenting, seed)
    done = train(model, loader, training, Evaluation(evaluation, len(evaluation), score), progress)
    return done, model.state_dict()


def same(state, other):
    return all(torch.equal(value, other[name]) for name, value in state.items())


def scores_of(model, clips, **recipe):
    return predict(model, clips, Loader(FRONT_END, Recipe(**recipe), "cpu"))


@pytest.fixture(scope="module")
def settled():
    """A network whose running statistics fit the clips, so that scores differ from clip to clip."""
    model = network(width=2)
    trained(clips_of(noises(16)), model=model, epochs=8, learning_rate=3e-3)
    return model


# --- the loss ---


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_loss_and_gradient_are_torchs(classes, spread):
    random = torch.Generator().manual_seed(0)
    logits = spread * torch.randn(50, classes, generator=random, dtype=torch.float64)
    target = torch.randint(classes, (50,), generator=random)
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss = bce_of_softmax(ours, target)
    reference = F.binary_cross_entropy(theirs.softmax(dim=1), F.one_hot(target, classes).double())
    torch.testing.assert_close(loss, reference)
    loss.backward()
    reference.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("size", [30.0, 1000.0, 1e4])
def test_extreme_scores_have_a_finite_loss(size):
    """Probabilities are 0 and 1 in float32. By hand: (2 * size - ln 3) / 4 if wrong, about 0 if right."""
    logits = torch.tensor([[size, 0, 0, 0], [-size, 0, 0, 0]], requires_grad=True)
    wrong = bce_of_softmax(logits[:1], torch.tensor([1]))
    right = bce_of_softmax(logits[:1], torch.tensor([0]))
    assert wrong.item() == pytest.approx((2 * size - math.log(3)) / 4, rel=1e-5)
    assert right.item() == pytest.approx(0, abs=1e-6)
    (bce_of_softmax(logits, torch.tensor([1, 0])) + right).backward()
    assert logits.grad.isfinite().all()


# --- the loop ---


def test_a_training_is_bit_identical():
    training = clips_of(noises(10, longest=20_000))
    runs = [trained(training, seed=seed, max_seconds=0.7) for seed in (1, 1, 2)]
    (first, state), (again, same_state), (other, other_state) = runs
    assert same(state, same_state)
    assert first.history == again.history
    np.testing.assert_array_equal(first.scores, again.scores)
    assert not same(state, other_state)
    assert first.history != other.history
    assert not same(state, trained(training, seed=1, max_seconds=0.7, model=network(5))[1])


def test_the_seed_of_a_training_is_not_only_its_network():
    """Batch order, crops and dropout come of the seed too."""
    training = clips_of(noises(10))
    states = [trained(training, seed=seed, model=network(0))[1] for seed in (0, 1)]
    assert not same(*states)


def test_evaluating_does_not_change_the_training():
    training = clips_of(noises(8))
    often, state = trained(training, batch_size=2, evaluations_per_epoch=4)
    seldom, same_state = trained(training, batch_size=2, evaluations_per_epoch=1)
    assert same(state, same_state)
    losses = [at["loss"] for at in often.history]
    means = [at["loss"] for at in seldom.history]
    assert means == pytest.approx([np.mean(losses[:4]), np.mean(losses[4:])], rel=1e-5)


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "iterations"),
    [
        (2, 1, [4, 8]),
        (2, 2, [2, 4, 6, 8]),
        (4, 0.5, [8, 16]),
        (3, 0.5, [6, 12]),
        (2, 0.1, [8]),
        (1, 9, [1, 2, 3, 4]),  # no more often than there are iterations
    ],
)
def test_evaluations_come_when_they_are_due(epochs, per_epoch, iterations):
    """Four iterations an epoch; the last evaluation is at the end."""
    seen, told = [], []

    def score(scores):
        seen.append(scores.copy())
        return {"metric": len(seen)}

    done, _ = trained(
        clips_of(noises(8)),
        score=score,
        progress=told.append,
        epochs=epochs,
        batch_size=2,
        evaluations_per_epoch=per_epoch,
    )
    assert [at["iteration"] for at in done.history] == iterations
    assert [at["epoch"] for at in done.history] == [i / 4 for i in iterations]
    assert [at["metric"] for at in done.history] == list(range(1, len(iterations) + 1))
    assert told == [at | {"of": 4 * epochs} for at in done.history]
    assert done.affected == [0.0] * epochs
    np.testing.assert_array_equal(done.scores, seen[-1])
    assert done.train_seconds > 0
    assert done.evaluate_seconds > 0


def test_a_diverged_training_stops():
    model = network()
    with torch.no_grad():
        model.head[0].bias.fill_(math.nan)
    said = "the loss is nan, at iteration 1 of 4, at a rate of 0.5; lower recipe.learning_rate"
    with pytest.raises(TrainingDiverged, match=said):
        trained(clips_of(noises(8)), model=model, learning_rate=0.5)


def test_crops_in_training_starts_in_evaluation(monkeypatch):
    reads, original = [], ClipSet.read

    def read(self, clips, starts, lengths, shortest):
        reads.append((self, clips, starts, lengths))
        return original(self, clips, starts, lengths, shortest)

    monkeypatch.setattr(ClipSet, "read", read)
    training, evaluation = (clips_of(noises(8, 12_000, 30_000, seed)) for seed in (0, 1))
    trained(training, evaluation, epochs=5, max_seconds=1)
    starts = {id(training): [[] for _ in range(8)], id(evaluation): [[] for _ in range(8)]}
    for clips, batch, firsts, lengths in reads:
        np.testing.assert_array_equal(lengths, np.minimum(clips.lengths[batch], RATE_HZ))
        assert (firsts + lengths <= clips.lengths[batch]).all()
        for clip, first in zip(batch, firsts, strict=True):
            starts[id(clips)][clip].append(first)
    assert starts[id(evaluation)] == [[0] * 5] * 8
    for clip, length in enumerate(training.lengths):
        assert len(starts[id(training)][clip]) == 5  # every clip once an epoch
        assert len(set(starts[id(training)][clip])) == (5 if length > RATE_HZ else 1)


def test_what_lies_past_the_cap_is_learnt_from_but_not_tested_on(settled):
    waves = noises(8, 24_000, 25_000)
    other = [np.concatenate([wave[:16_000], wave[16_000:] // 2]) for wave in waves]
    assert not same(*(trained(clips_of(each), max_seconds=1)[1] for each in (waves, other)))
    scores = [scores_of(settled, clips_of(each), max_seconds=1) for each in (waves, other)]
    np.testing.assert_array_equal(*scores)
    start = scores_of(settled, clips_of([wave[:16_000] for wave in waves]))
    np.testing.assert_array_equal(scores[0], start)


def test_loudness_makes_levels_one(settled):
    """A quarter of the level is the same to the bit, in training and evaluation; without, it is not."""
    loud = [4 * wave for wave in noises(8)]
    quiet = [wave // 4 for wave in loud]
    ours = [clips_of(waves) for waves in (loud, quiet)]
    assert same(*(trained(clips, clips, loudness_dbfs=-26)[1] for clips in ours))
    assert not same(*(trained(clips, clips)[1] for clips in ours))
    np.testing.assert_array_equal(*(scores_of(settled, clips, loudness_dbfs=-26) for clips in ours))
    assert np.abs(scores_of(settled, ours[0]) - scores_of(settled, ours[1])).max() > 1e-3


# --- prediction ---


def test_scores_are_probabilities_whatever_the_batch(settled):
    waves = noises(23, 5000, 40_000)
    clips = clips_of(waves)
    scores = scores_of(settled, clips, batch_size=128)
    assert scores.dtype == np.float32
    assert scores.std(axis=0).min() > 1e-3
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    for batch_size in (1, 5, 22):
        np.testing.assert_allclose(scores_of(settled, clips, batch_size=batch_size), scores, atol=1e-6)
    alone = [scores_of(settled, clips_of([wave]))[0] for wave in waves]
    np.testing.assert_allclose(alone, scores, atol=1e-6)


def test_short_clips_are_padded_with_silence(settled):
    """IEMOCAP's shortest is 0.585 s, 30 frames: too short for five poolings as it is."""
    (short,) = noises(1, 9360, 9361)
    padded = np.pad(short, (0, SHORTEST - len(short)))
    scores = scores_of(settled, clips_of([short, padded, short[:1]]))
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


def test_predicting_leaves_the_network_as_it_was(settled):
    before = {name: value.clone() for name, value in settled.state_dict().items()}
    first, again = (scores_of(settled, clips_of(noises(5))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert same(before, settled.state_dict())


FADE = Augmentation(effects=("fade",))  # the cheapest


# --- augmentation ---


@functools.cache
def left_by(method, seed=1, attempt=0):
    """The state a training at 100 % leaves; networks start alike, so the seed is that of training alone."""
    augmenting = Augmenting(Augmentation(stretch_method=method)) if method else None
    training = clips_of(SPOKEN[:4])
    done, state = trained(
        training,
        training,
        seed,
        model=network(0),
        augmenting=augmenting,
        epochs=1,
        batch_size=2,
    )
    assert np.isfinite(done.scores).all()
    assert done.affected == [1.0 if augmenting else 0.0]
    return state


@pytest.mark.parametrize("method", STRETCH_METHODS)
def test_an_augmented_training_is_bit_identical(method):
    assert same(left_by(method), left_by(method, attempt=1))


@pytest.mark.parametrize("other", [("feature", 2), (None,), ("vocoder",)], ids=["seed", "none", "method"])
def test_another_augmentation_is_another_training(other):
    assert not same(left_by("feature"), left_by(*other))


def test_nothing_affected_is_nothing_augmented():
    nothing = Augmenting(Augmentation(effects=("stretch", "fade", "specaugment")), 0)
    (none, state), (zero, same_state) = (
        trained(clips_of(SPOKEN[:6]), augmenting=each) for each in (None, nothing)
    )
    assert same(state, same_state)
    assert none.history == zero.history
    assert none.affected == zero.affected == [0.0, 0.0]


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_every_clip_gets_its_own_draw_of_the_epoch(percent, monkeypatch):
    loads, original = [], Loader.load

    def spy(self, clips, batch, epoch=None):
        loads.append((clips, batch, epoch))
        return original(self, clips, batch, epoch)

    monkeypatch.setattr(Loader, "load", spy)
    training, evaluation = clips_of(SPOKEN), clips_of(SPOKEN[:2])
    done, _ = trained(training, evaluation, seed=3, augmenting=Augmenting(FADE, percent), epochs=3)
    draws = [draw(Augmenting(FADE, percent), 3, epoch, len(SPOKEN)) for epoch in range(3)]
    assert done.affected == [each.affected.mean() for each in draws]
    if percent == 50:
        assert len(set(done.affected)) > 1
    else:
        assert done.affected == [percent / 100] * 3

    assert all(epoch is None for clips, _, epoch in loads if clips is evaluation)
    epochs = [epoch for clips, _, epoch in loads if clips is training]
    assert len(epochs) == 3 * 4
    for i, epoch in enumerate(epochs):
        for field in dataclasses.fields(epoch.drawn):
            expected = getattr(draws[i // 4], field.name)
            np.testing.assert_array_equal(getattr(epoch.drawn, field.name), expected, field.name)


def test_evaluation_is_never_augmented():
    """Scores along an augmented training are the network's on clips as they are."""
    seen, waves = [], SPOKEN[:4]
    model = network(0)

    def score(scores):
        np.testing.assert_array_equal(scores, scores_of(model, clips_of(waves)))
        seen.append(scores)
        return {}

    trained(clips_of(SPOKEN[:6]), clips_of(waves), score=score, model=model, augmenting=Augmenting(FADE))
    assert len(seen) == 2
    augmenting = Loader(FRONT_END, Recipe(), "cpu", Augmenting(FADE))
    np.testing.assert_array_equal(predict(model, clips_of(waves), augmenting), seen[-1])


# --- the schedule ---


def rates_of_torch(epochs, peak):
    """PyTorch's own rise and half cosine, one after the other, after each of `epochs` steps."""
    optimiser = torch.optim.Adam([torch.zeros(1)], lr=peak, fused=True)
    rise = epochs // 4
    parts = [
        torch.optim.lr_scheduler.LinearLR(optimiser, start_factor=1e-12, total_iters=rise),
        torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=epochs - rise),
    ]
    schedule = torch.optim.lr_scheduler.SequentialLR(optimiser, parts, milestones=[rise])
    rates = [optimiser.param_groups[0]["lr"]]
    for _ in range(epochs):
        optimiser.step()
        schedule.step()
        rates.append(optimiser.param_groups[0]["lr"])
    return rates


@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_one_cycle_is_torchs_linear_rise_and_half_cosine():
    ours = [0.3 * share_of_rate("one-cycle", done / 80) for done in range(81)]
    np.testing.assert_allclose(ours, rates_of_torch(80, peak=0.3), atol=1e-9)


def test_the_rate_at_the_ends_and_at_its_highest():
    for done, share in ((0, 0), (RISE, 1), (1, 0)):
        assert share_of_rate("one-cycle", done) == pytest.approx(share, abs=1e-12)
    assert {share_of_rate("constant", done) for done in np.linspace(0, 1, 9)} == {1.0}
    shares = [share_of_rate("one-cycle", done) for done in np.linspace(0, 1, 1001)]
    assert np.argmax(shares) == 1000 * RISE
    assert 0 <= min(shares) <= max(shares) <= 1
    # a mean of 1/2: as far in all as at half the rate
    assert np.mean(shares) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_step_is_at_the_rate_of_its_middle(schedule, monkeypatch):
    used = []

    def spy(model, optimiser, parts, clips):
        used.append(optimiser.param_groups[0]["lr"])
        return step(model, optimiser, parts, clips)

    monkeypatch.setattr("serkit.train.step", spy)
    trained(clips_of(noises(9)), epochs=2, batch_size=2, learning_rate=0.01, schedule=schedule)
    middles = (np.arange(10) + 0.5) / 10
    assert used == pytest.approx([0.01 * share_of_rate(schedule, done) for done in middles])
    assert used == [0.01] * 10 if schedule == "constant" else 0 < used[-1] < used[0] < max(used) <= 0.01


def test_another_schedule_is_another_training():
    states = [trained(clips_of(noises(8)), schedule=schedule, epochs=1)[1] for schedule in SCHEDULES]
    assert not same(*states)


# --- one output per corpus and label ---


def evaluated(corpus, label_sets):
    """An evaluation of clips that are of such corpora, those that are trained on first."""
    nothing = np.zeros(len(corpus), dtype=np.int64)
    clips = ClipSet((), np.asarray(corpus), nothing, nothing)
    return Evaluation(clips, len(corpus), lambda scores: {}, label_sets)


def outputs_of(clips, label_sets, seed=0):
    random = np.random.default_rng(seed)
    return random.dirichlet(np.ones(4 * label_sets), clips).astype(np.float32)


def test_shared_outputs_are_the_labels():
    outputs = outputs_of(5, 1)
    assert evaluated([0, 0, 1, 2, 2], 1).of_labels(outputs) is outputs


@pytest.mark.parametrize("scored", [12, 8], ids=["all", "the first"])
def test_a_corpus_is_scored_by_its_own_outputs_and_another_by_all(scored):
    corpus = np.asarray([0] * 4 + [1] * 4 + [2] * 2 + [3] * 2)
    outputs = outputs_of(12, 2)[:scored]
    found = evaluated(corpus, 2).of_labels(outputs)
    assert found.shape == (scored, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    logits = torch.from_numpy(outputs).log()
    for row, of in enumerate(corpus[:scored]):
        if of < 2:  # of the conditional probabilities: softmax over its own outputs alone
            expected = logits[row, 4 * of : 4 * of + 4].softmax(dim=0).numpy()
        else:
            expected = [outputs[row, label] + outputs[row, 4 + label] for label in range(4)]
        np.testing.assert_allclose(found[row], expected, atol=1e-6)


def test_outputs_of_which_nothing_is_left_give_numbers():
    outputs = np.zeros((2, 8), dtype=np.float32)
    outputs[:, 5] = 1  # float32 leaves nothing of the others
    found = evaluated([0, 1], 2).of_labels(outputs)
    assert np.isfinite(found).all()
    assert found[1].tolist() == [0, 1, 0, 0]


def test_a_network_of_more_outputs_trains_them_all():
    training, evaluation = clips_of(noises(16), labels=np.arange(16) % 8), clips_of(noises(3, seed=9))
    model = build(ModelSpec(width=1, weights=None), 0, outputs=8)
    before = model.head[-1].weight.clone()
    loader = Loader(FRONT_END, Recipe(epochs=1, batch_size=8), "cpu")
    seen = []
    done = train(model, loader, training, Evaluation(evaluation, 3, lambda s: seen.append(s) or {}, 2))
    assert before.shape == (8, 32)
    assert (model.head[-1].weight != before).any(dim=1).all()
    assert done.scores.shape == seen[0].shape == (3, 4)
    np.testing.assert_array_equal(done.scores, seen[0])
