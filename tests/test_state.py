"""The state of a training: one that is cut off and goes on is the undisturbed one, bit for bit."""

import contextlib
import dataclasses
import functools
import itertools
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from serkit.augment import Augmenting
from serkit.clips import ClipSet
from serkit.effects import Augmentation
from serkit.encoders import build
from serkit.errors import OutOfMemory, memory_named
from serkit.heads import Fitted, Headed
from serkit.loader import Loader
from serkit.specs import ModelSpec, Recipe
from serkit.state import Keeper, State
from serkit.train import Evaluation, TrainingDiverged, train
from tests.made_clips import FRONT_END, RATE_HZ, clips_of, noises

pytestmark = pytest.mark.usefixtures("one_thread")

TRAINING, SCORED = clips_of(noises(11)), clips_of(noises(4, 9000, 9001, seed=1))
RECIPE = Recipe(epochs=3, batch_size=4, learning_rate=3e-3, schedule="one-cycle")
ABOUT = {"key": "k", "torch": torch.__version__}
ALWAYS = 1e-9  # minutes


class Killed(BaseException):
    """Stands for a kill: nothing that is not in a file is left."""


class Small(nn.Module):
    """A network with dropout and running statistics, of waves."""

    rate_hz, min_samples, takes, width = RATE_HZ, 400, "waves", 6

    def __init__(self):
        super().__init__()
        self.filters = nn.Conv1d(1, 6, 200, stride=100)
        self.norm, self.dropout = nn.BatchNorm1d(6), nn.Dropout(0.3)

    def forward(self, waves, lengths):
        return self.dropout(self.norm(self.filters(waves[:, None])).relu().mean(dim=2))


class Plain(Small):
    """The same without what depends on the other clips of a batch, or on chance."""

    def __init__(self):
        super().__init__()
        self.norm, self.dropout = nn.Identity(), nn.Identity()


def plain():
    torch.manual_seed(2)
    return Plain, Headed(Plain(), 4)


def cnn14():
    return FRONT_END, build(ModelSpec(width=1, weights=None), seed=2)


def small():
    torch.manual_seed(2)
    return Small, Headed(Small(), 4)


def frozen():
    torch.manual_seed(2)
    return Small, Fitted(Small(), 4)


def course(kind, keeper=None, recipe=RECIPE, training=TRAINING, percent=100, report=None):
    """A training of a kind of network, and the parameters it leaves."""
    encoder, model = kind()
    if kind is frozen:
        recipe = Recipe(epochs=3, batch_size=4, evaluations_per_epoch=1 / 3)
    loader = Loader(encoder, recipe, "cpu", Augmenting(Augmentation(), percent) if percent else None, seed=3)
    evaluation = Evaluation(SCORED, len(SCORED), lambda scores: {"mean": scores.mean(axis=0).tolist()})
    return train(model, loader, training, evaluation, report, keeper), model.state_dict()


@functools.cache
def undisturbed(kind):
    """The training that nothing happens to, made once for all that are compared with it."""
    return course(kind)


def assert_same(one, other):
    (done, state), (again, same_state) = one, other
    assert done.history == again.history
    assert done.affected == again.affected
    np.testing.assert_array_equal(done.scores, again.scores)
    np.testing.assert_array_equal(done.tail, again.tail)
    assert state.keys() == same_state.keys()
    assert all(torch.equal(value, same_state[name]) for name, value in state.items())


LOAD = Loader.load


def kill_after(patch, batches):
    """Kills a training at the nth batch that is loaded from now on, of learning or scoring."""
    loaded = itertools.count()

    def until(self, *args):
        if next(loaded) == batches:
            raise Killed
        return LOAD(self, *args)

    patch.setattr(Loader, "load", until)


@pytest.fixture
def killed(monkeypatch):
    """Kills so in this test."""
    return functools.partial(kill_after, monkeypatch)


@pytest.mark.parametrize("kind", [cnn14, small, frozen])
def test_one_that_is_killed_five_times_is_the_one_that_never_was(kind, tmp_path, killed):
    random = np.random.default_rng(0)
    for _ in range(5):
        killed(int(random.integers(1, 4)))
        with contextlib.suppress(Killed):
            course(kind, Keeper(tmp_path / "state", ABOUT, ALWAYS))
    killed(-1)
    events = []
    again = course(kind, Keeper(tmp_path / "state", ABOUT, ALWAYS, events.append))
    assert_same(undisturbed(kind), again)
    assert len(again[0].resumed) == 5
    froms = [at["iteration"] for at in again[0].resumed]
    assert froms == sorted(froms)
    assert events[0] == {"resumed": froms[-1], "of": events[0]["of"]}
    assert froms[-1] > 0


def test_without_each_part_of_the_state_it_is_another(tmp_path, killed, monkeypatch):
    """What is kept is needed: without the optimiser's moments, the generator or a number, numbers differ."""
    killed(6)  # in the second epoch, behind an evaluation
    with contextlib.suppress(Killed):
        course(small, Keeper(tmp_path / "state", ABOUT, ALWAYS))
    killed(-1)
    whole, found = (tmp_path / "state").read_bytes(), Keeper.found

    def without(name):
        (tmp_path / "state").write_bytes(whole)

        def changed(self, like=None):
            if (state := found(self, like)) is None:
                return None
            other = {key: torch.zeros_like(of) if name in key else of for key, of in state.tensors.items()}
            if name == "generator":
                other["generator.cpu"] = torch.Generator().manual_seed(9).get_state()
            return State(other, state.numbers)

        monkeypatch.setattr(Keeper, "found", changed)
        return course(small, Keeper(tmp_path / "state", ABOUT, 1e9))

    assert_same(undisturbed(small), without("none of them"))
    for name in ("model.", "exp_avg_sq", "generator", "losses"):
        with pytest.raises(AssertionError):
            assert_same(undisturbed(small), without(name))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_ends_it_leaves_its_state(number, tmp_path, monkeypatch):
    """At once while nothing changes, else after the step; the next one goes on from there."""
    load, ended = Loader.load, []
    monkeypatch.setattr(signal, "raise_signal", ended.append)
    for batches in (2, 0, 2):  # within the third step, the evaluation behind it, the fifth step
        loaded = itertools.count()

        def signalled(self, *args, at=batches, loaded=loaded):
            if next(loaded) == at:
                os.kill(os.getpid(), number)
            return load(self, *args)

        monkeypatch.setattr(Loader, "load", signalled)
        before = signal.getsignal(number)
        with pytest.raises(KeyboardInterrupt):
            course(small, Keeper(tmp_path / "state", ABOUT, 1e9))
        assert signal.getsignal(number) is before
    assert ended == [number] * 3 if number == signal.SIGTERM else not ended
    monkeypatch.setattr(Loader, "load", load)
    again = course(small, Keeper(tmp_path / "state", ABOUT, 1e9))
    assert_same(undisturbed(small), again)
    assert [at["iteration"] for at in again[0].resumed] == [3, 3, 5]


def test_a_second_one_ends_it_at_once_and_costs_the_step_alone(tmp_path, monkeypatch):
    load = Loader.load

    def signalled(self, *args):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return load(self, *args)

    monkeypatch.setattr(Loader, "load", signalled)
    with pytest.raises(KeyboardInterrupt):
        course(small, Keeper(tmp_path / "state", ABOUT, 1e9))
    assert not (tmp_path / "state").exists()


def test_one_that_asks_for_the_state_lets_it_go_on(tmp_path, monkeypatch):
    load, loaded, events = Loader.load, itertools.count(), []

    def signalled(self, *args):
        if next(loaded) in (3, 9):
            os.kill(os.getpid(), signal.SIGUSR1)
        return load(self, *args)

    monkeypatch.setattr(Loader, "load", signalled)
    done = course(small, Keeper(tmp_path / "state", ABOUT, 1e9, events.append))
    assert_same(undisturbed(small), done)
    assert [event["kept"] for event in events] == [3, 8]  # in the first evaluation, and behind a step
    assert events[-1]["bytes"] == (tmp_path / "state").stat().st_size


def test_a_signal_is_not_lost_where_something_else_goes_wrong(tmp_path, monkeypatch):
    def signalled(self, *args):
        os.kill(os.getpid(), signal.SIGINT)
        raise TrainingDiverged("no number", np.arange(2))

    monkeypatch.setattr(Loader, "load", signalled)
    with pytest.raises(KeyboardInterrupt):
        course(small, Keeper(tmp_path / "state", ABOUT, 1e9))


def test_signals_are_as_they_were_whatever_happens_to_the_last_state(tmp_path, monkeypatch):
    watched, save = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1), torch.save
    before = [signal.getsignal(of) for of in watched]

    def interrupted(*args):
        os.kill(os.getpid(), signal.SIGINT)
        save(*args)

    load, loaded = Loader.load, itertools.count()

    def signalled(self, *args):
        if next(loaded) == 3:  # in an evaluation
            os.kill(os.getpid(), signal.SIGINT)
        return load(self, *args)

    monkeypatch.setattr(Loader, "load", signalled)
    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        course(small, Keeper(tmp_path / "state", ABOUT, 1e9))
    assert [signal.getsignal(of) for of in watched] == before


def test_a_worker_that_interrupts_itself_asks_nobody_twice(tmp_path, monkeypatch):
    """As execnet does five seconds after the session has ended: the state is still written."""
    load, loaded = Loader.load, itertools.count()
    keeper = Keeper(tmp_path / "state", ABOUT, 1e9)

    def signalled(self, *args):
        if next(loaded) == 1:
            os.kill(os.getpid(), signal.SIGINT)
            monkeypatch.setattr(os, "getppid", lambda: 1)
            os.kill(os.getpid(), signal.SIGINT)
        return load(self, *args)

    monkeypatch.setattr(Loader, "load", signalled)
    with pytest.raises(KeyboardInterrupt):
        course(small, keeper)
    assert (tmp_path / "state").exists()


class Counting(Small):
    """One whose forward changes a buffer that is no part of its state."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(1), persistent=False)

    def forward(self, waves, lengths):
        self.seen += self.training
        return super().forward(waves, lengths) * (1 + self.seen / 10)


class Extra(Small):
    """One that keeps what is no tensor."""

    def get_extra_state(self):
        return {"any": "thing"}

    def set_extra_state(self, state):
        pass


def made(kind):
    def network():
        torch.manual_seed(2)
        return kind, Headed(kind(), 4)

    return network


def test_buffers_that_are_no_part_of_its_state_go_on_too(tmp_path, killed):
    killed(6)
    with contextlib.suppress(Killed):
        course(made(Counting), Keeper(tmp_path / "state", ABOUT, ALWAYS))
    killed(-1)
    again = course(made(Counting), Keeper(tmp_path / "state", ABOUT, 1e9))
    assert_same(course(made(Counting)), again)
    assert again[0].resumed


def test_a_network_with_more_than_tensors_trains_and_says_that_it_has_no_state(tmp_path):
    with pytest.warns(UserWarning, match=r"cannot be kept in .*_extra_state is no tensor"):
        done, _ = course(made(Extra), Keeper(tmp_path / "state", ABOUT, ALWAYS))
    assert done.history == course(made(Extra))[0].history
    assert not (tmp_path / "state").exists()


def test_one_of_another_network_is_of_no_use(tmp_path, killed):
    killed(6)
    with contextlib.suppress(Killed):
        course(small, Keeper(tmp_path / "state", ABOUT, ALWAYS))
    killed(-1)
    with pytest.warns(UserWarning, match=r"starts anew: .*\(its model has other tensors\)"):
        again = course(cnn14, Keeper(tmp_path / "state", ABOUT, 1e9))
    assert_same(undisturbed(cnn14), again)


def test_what_was_trained_since_is_kept_at_the_end_for_what_else_takes_time(tmp_path):
    course(small, Keeper(tmp_path / "state", ABOUT, 1e-4))
    again = course(small, Keeper(tmp_path / "state", ABOUT, 1e9))
    assert [at["iteration"] for at in again[0].resumed] == [9]


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The state that a training leaves which is killed in its last epoch."""
    path = tmp_path_factory.mktemp("left") / "state"
    with pytest.MonkeyPatch.context() as patch:
        kill_after(patch, 9)
        with contextlib.suppress(Killed):
            course(small, Keeper(path, ABOUT, ALWAYS))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: path.write_bytes(b""), "."),
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "."),
        (lambda path: path.write_bytes(_flipped(path.read_bytes())), "it is not what was written"),
        (lambda path: torch.save([1, 2], path), "."),
        (lambda path: torch.save(torch.zeros(3), path), "."),
        (lambda path: torch.save({"about": "{}", "numbers": "{}", "tensors": 3, "sha256": ""}, path), "."),
        (lambda path: torch.save(Killed(), path), "."),
        (lambda path: (path.unlink(), os.mkfifo(path)), "a named pipe"),
        (lambda path: (path.unlink(), path.mkdir()), "."),
    ],
    ids="empty cut flipped list tensor parts code pipe folder".split(),
)
def test_a_damaged_one_is_said_and_the_training_starts_anew(damage, why, tmp_path, left):
    path = tmp_path / "state"
    path.write_bytes(left)
    damage(path)
    with pytest.warns(UserWarning, match=rf"starts anew: the state in .*state is of no use \(.*{why}"):
        again = course(small, Keeper(path, ABOUT, 1e9))
    assert_same(undisturbed(small), again)
    assert not again[0].resumed


def _flipped(content):
    """One bit of the longest run of numbers is another."""
    at = content.index(b"data/0") + 2000
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_one_of_another_process_says_what_differs(tmp_path, killed):
    killed(9)
    with contextlib.suppress(Killed):
        course(small, Keeper(tmp_path / "state", {**ABOUT, "threads": 4}, ALWAYS))
    killed(-1)
    with pytest.warns(UserWarning, match=r"starts anew: .*\(threads was 4, is 2\)"):
        again = course(small, Keeper(tmp_path / "state", {**ABOUT, "threads": 2}, 1e9))
    assert not again[0].resumed


def test_a_full_disk_costs_the_state_and_not_the_training(tmp_path, monkeypatch):
    def full(content, path):
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534\nmore")

    monkeypatch.setattr(torch, "save", full)
    with pytest.warns(UserWarning, match="cannot be kept in .*unexpected pos 576"):
        done = course(small, Keeper(tmp_path / "state", ABOUT, ALWAYS))
    assert list(tmp_path.iterdir()) == []
    assert_same(undisturbed(small), done)


def test_the_older_one_stays_until_the_newer_is_there(tmp_path, monkeypatch):
    course(small, Keeper(tmp_path / "state", ABOUT, ALWAYS))
    before, save = (tmp_path / "state").read_bytes(), torch.save

    def cut_off(content, path):
        save(content, path)
        raise Killed

    monkeypatch.setattr(torch, "save", cut_off)
    with pytest.raises(Killed):
        course(small, Keeper(tmp_path / "state", {**ABOUT, "key": "other"}, ALWAYS))
    assert (tmp_path / "state").read_bytes() == before


# --- losses that are none ---


def test_a_loss_that_is_no_number_ends_it_at_its_step_with_its_clips(monkeypatch):
    read, batches = ClipSet.read, []

    def watched(self, clips, starts, lengths, into):
        read(self, clips, starts, lengths, into)
        if self is TRAINING:
            batches.append(clips.tolist())

    forward, steps = Small.forward, itertools.count(1)

    def nan(self, waves, lengths):
        found = forward(self, waves, lengths)
        return found * float("nan") if self.training and next(steps) == 5 else found

    monkeypatch.setattr(ClipSet, "read", watched)
    monkeypatch.setattr(Small, "forward", nan)
    said = r"the loss is nan, at iteration 5 of 9, at a rate of 0\.003;"
    with pytest.raises(TrainingDiverged, match=said) as raised:
        course(small, percent=0)
    assert raised.value.batch.tolist() == batches[4]
    assert len(batches) == 5  # at its step, and not at the evaluation behind it


def losses_of(monkeypatch, losses):
    """Steps of a training whose losses are these."""
    left = iter(losses)
    monkeypatch.setattr("serkit.train.step", lambda *_: torch.tensor(float(next(left))))


def test_a_loss_that_stays_far_above_guessing_ends_it_at_the_third_evaluation(monkeypatch):
    """The clips are those of the worst step since the evaluation before."""
    losses_of(monkeypatch, [3, 3, 3, 0.5, 0.5, 0.5, *[3, 3, 3, 2.5, 2.5, 2.5], 2.5, 9, 2.5])
    said = r"the loss is 4.67, no lower than 2 evaluations before; guessing has 0.56, at iteration 14 of 15"
    with pytest.raises(TrainingDiverged, match=said) as raised:
        course(small, recipe=dataclasses.replace(RECIPE, epochs=5), percent=0)
    assert len(raised.value.batch) in (3, 4)


def test_one_that_comes_down_from_far_above_goes_on(monkeypatch):
    losses_of(monkeypatch, [30, 20, 10, 10, 9, 8, 8, 7, 6, 3, 3, 3, 2, 2, 1])
    done, _ = course(small, recipe=dataclasses.replace(RECIPE, epochs=5), percent=0)
    assert len(done.history) == 5


def test_one_that_diverges_as_soon_as_it_goes_on_says_where(tmp_path, killed, monkeypatch):
    monkeypatch.setattr("serkit.train.step", lambda *_: torch.tensor(9.0))
    recipe = dataclasses.replace(RECIPE, epochs=5)
    killed(2)  # in the third evaluation; such steps load nothing
    with contextlib.suppress(Killed):
        course(small, Keeper(tmp_path / "state", ABOUT, ALWAYS), recipe, percent=0)
    killed(-1)
    with pytest.raises(TrainingDiverged, match="at iteration 9 of 15") as raised:
        course(small, Keeper(tmp_path / "state", ABOUT, ALWAYS), recipe, percent=0)
    assert len(raised.value.batch) in (3, 4)


# --- a GPU with too little memory ---


def test_where_memory_runs_out_it_goes_on_with_half_the_clips_at_a_time(monkeypatch):
    """The gradients of both halves are added up: without running statistics nothing but rounding differs."""
    sizes, load = [], Loader.load

    def short(self, clips, batch, epoch=None):
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GB")
        return load(self, clips, batch, epoch)

    even = clips_of(noises(12, 9000, 9001))  # a batch in pieces is padded as each of them needs
    whole = course(plain, training=even, percent=0)
    monkeypatch.setattr(Loader, "load", short)
    halved = course(plain, training=even, percent=0)
    assert [size for size in sizes if size > 2] == [4, 4]  # once in learning, once in scoring
    np.testing.assert_allclose(halved[0].scores, whole[0].scores, atol=1e-5)
    losses, others = ([at["loss"] for at in done.history] for done, _ in (halved, whole))
    np.testing.assert_allclose(losses, others, rtol=1e-5)


def test_memory_that_runs_out_again_is_an_error(monkeypatch):
    def none(self, *_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GB")

    monkeypatch.setattr(Loader, "load", none)
    said = r"not enough memory \(CUDA out of memory.*batch_size"
    with pytest.raises(OutOfMemory, match=said), memory_named():
        course(small, percent=0)
