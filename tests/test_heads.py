"""Heads: what learns, what is frozen, and that a frozen encoder is read by a linear classifier."""

import copy

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from serkit import embeddings, encoders, heads
from serkit.errors import SpecError
from serkit.loader import Loader
from serkit.specs import ModelSpec, Recipe
from serkit.steps import learning, prepare, share_of_rate
from serkit.train import Evaluation, embed, train
from tests.made_clips import FRONT_END, clips_of, noises


class Bands(nn.Module):
    """The level of a clip in eight pieces of time, through a layer with dropout and a batch norm."""

    width = 5

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))
        self.second = nn.Linear(5, 5)

    def forward(self, waves, samples):
        pairs = zip(waves, samples, strict=True)
        pieces = [[piece.square().mean() for piece in wave[:n].chunk(8)] for wave, n in pairs]
        return self.second(self.first(torch.stack([torch.stack(of) for of in pieces]).sqrt()))


def model(*freeze, **more):
    return ModelSpec(encoder="net.py:make", freeze=freeze, **more)


def network(*freeze, seed=0, **more):
    torch.manual_seed(seed)
    return heads.headed(model(*freeze, **more), Bands(), 4)


def loader(**recipe):
    return Loader(FRONT_END, Recipe(batch_size=4, **recipe), "cpu")


def trained(made, clips=None, **recipe):
    clips = clips or clips_of(noises(12, 4000, 9000))
    evaluation = Evaluation(clips_of(noises(5, 4000, 9000, seed=1)), 5, lambda scores: {})
    return train(made, loader(**recipe), clips, evaluation)


def test_a_head_may_have_a_layer_of_its_own():
    assert [type(layer) for layer in network(head="relu-linear").head] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [layer.out_features for layer in network().head] == [4]


def test_frozen_parts_stay_as_they_are_and_the_others_learn():
    made = network("first")
    before = copy.deepcopy(made.state_dict())
    trained(made, epochs=2, learning_rate=0.05)
    changed = {name for name, value in made.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[1] for name in changed} == {"second", "0"}
    assert all(name.startswith(("encoder.second", "head")) for name in changed), "running averages too"
    learning(made)
    assert not made.encoder.first.training
    assert made.encoder.second.training


def test_cnn14_can_be_frozen_in_parts_too():
    made = encoders.build(ModelSpec(width=1, weights=None, freeze=("bn0", "conv_block1")), 0)
    before = copy.deepcopy(made.state_dict())
    trained(made, clips_of(noises(8, 12_000, 14_000)), epochs=1, learning_rate=0.01)
    changed = {name for name, value in made.state_dict().items() if not torch.equal(value, before[name])}
    assert not any(name.startswith(("bn0.", "conv_block1.")) for name in changed)
    assert any(name.startswith("conv_block2.bn1.running") for name in changed)


def test_a_part_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(SpecError, match="model freeze 'third': expected one of encoder, first, second"):
        network("third")
    with pytest.raises(SpecError, match=r"nothing of net.py:make learns; set freeze = \['encoder'\]"):
        network("first", "second")


def test_a_frozen_encoder_is_read_by_a_logistic_regression():
    made, clips = network("encoder"), clips_of(noises(24, 4000, 9000), np.arange(24) % 4)
    before = copy.deepcopy(made.encoder.state_dict())
    done = trained(made, clips, epochs=1)
    features = embed(made, clips, loader())
    tested = embed(made, clips_of(noises(5, 4000, 9000, seed=1)), loader())
    reference = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    reference.fit(features, np.arange(24) % 4)
    np.testing.assert_allclose(done.scores, reference.predict_proba(tested), atol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in made.encoder.state_dict().items())
    with pytest.raises(SpecError, match="a frozen encoder has a linear one"):
        network("encoder", head="relu-linear")


def test_a_pretrained_cnn14_can_be_frozen_whole():
    spec = ModelSpec(width=1, weights=None, freeze=("encoder",))
    made = encoders.build(spec, 0)
    assert isinstance(made, heads.Fitted)
    clips = clips_of(noises(8, 12_000, 14_000), np.arange(8) % 4)
    plain = encoders.build(ModelSpec(width=1, weights=None), 0)
    np.testing.assert_allclose(embed(made, clips, loader()), embed(plain, clips, loader()), atol=1e-6)
    assert trained(made, clips, epochs=1).scores.shape == (5, 4)


def test_the_encoder_may_have_a_rate_of_its_own():
    made = network()
    one = prepare(made, Recipe(learning_rate=1e-3), "cpu")
    two = prepare(made, Recipe(learning_rate=1e-3, encoder_learning_rate=1e-5), "cpu")
    assert [group["lr"] for group in one.param_groups] == [1e-3]
    head, rest = two.param_groups
    assert (head["lr"], rest["lr"]) == (1e-3, 1e-5)
    assert [id(of) for of in head["params"]] == [id(of) for of in made.head.parameters()]
    assert [id(of) for of in rest["params"]] == [id(of) for of in made.encoder.parameters()]


@pytest.mark.parametrize("drawn", [0, 1])
def test_what_is_frozen_is_one_network_whatever_the_seed(drawn):
    spec = ModelSpec(width=1, weights=None, freeze=("encoder",))
    one, other = (encoders.build(spec, seed).state_dict() for seed in (drawn, 7))
    assert all(torch.equal(one[name], other[name]) for name in one if "head" not in name)


@pytest.mark.parametrize("copies", [1, 5])
def test_equal_copies_of_clips_change_nothing(copies):
    random = np.random.default_rng(0)
    features, labels = random.normal(size=(60, 5)).astype(np.float32), np.arange(60) % 4
    features[np.arange(60), labels] += 1
    one, other = (network("encoder") for _ in range(2))
    one.fit(features, labels)
    other.fit(np.tile(features, (copies, 1)), np.tile(labels, copies), copies)
    said = [made.classify(torch.from_numpy(features)).softmax(dim=1).detach() for made in (one, other)]
    torch.testing.assert_close(*said, atol=2e-3, rtol=0)


class Odd(Bands):
    """Gives what it is told to."""

    def __init__(self, gives):
        super().__init__()
        self.gives = gives

    def forward(self, waves, samples):
        return self.gives(super().forward(waves, samples))


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (
            lambda found: found[:, :3],
            r"gave torch.float32 \[3, 3\]; expected embeddings, .* \[3, 5\]",
        ),
        (lambda found: found[:1], r"gave torch.float32 \[1, 5\]"),
        (lambda found: found[:, 0], r"gave torch.float32 \[3\]"),
        (lambda found: found.long(), "gave torch.int64"),
        (lambda found: (found,), "gave tuple"),
        (lambda found: None, "gave NoneType"),
    ],
)
def test_what_is_no_embedding_is_named(gives, words):
    made = heads.headed(model(), Odd(gives), 4).eval()
    with pytest.raises(SpecError, match=words):
        made.embed(torch.zeros(3, 900), torch.full((3,), 900))
    halves = heads.headed(model(), Odd(lambda found: found.double()), 4).eval()
    assert halves.embed(torch.zeros(3, 900), torch.full((3,), 900)).dtype == torch.float32


def test_embeddings_that_are_no_numbers_are_refused():
    made = heads.headed(model("encoder"), Odd(lambda found: found / 0), 4)
    made.kept = embeddings.Kept(model("encoder"), "", loader())
    with pytest.raises(SpecError, match="gives embeddings that are no numbers"):
        trained(made, epochs=1)


def test_so_are_those_of_clips_that_are_only_scored():
    made = heads.headed(model(), Odd(lambda found: found / 0), 4)
    with pytest.raises(SpecError, match="Odd gives embeddings that are no numbers of 5 of 5 clips"):
        embed(made, clips_of(noises(5, 4000, 9000, seed=1)), loader())


class Plain(Bands):
    """Without batch norm and dropout, so that a batch may be divided."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 5)


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_batch_in_parts_gives_the_gradients_of_the_whole(parts):
    made = []
    for accumulate in (1, parts):
        torch.manual_seed(3)
        one = heads.headed(model(), Plain(), 4)
        trained(one, epochs=2, accumulate=accumulate, learning_rate=0.01)
        made.append(one.state_dict())
    for name, value in made[0].items():
        torch.testing.assert_close(made[1][name], value, atol=1e-5, rtol=0)


def test_warm_up_raises_the_rate_over_the_first_share_of_the_steps():
    shares = [share_of_rate("constant", done, 0.2) for done in (0, 0.05, 0.1, 0.2, 0.7, 1)]
    assert shares == pytest.approx([0, 0.25, 0.5, 1, 1, 1])
    both = [share_of_rate("one-cycle", done, 0.5) for done in (0.1, 0.25, 0.6)]
    assert both == pytest.approx(
        [0.2 * share_of_rate("one-cycle", 0.1), 0.5, share_of_rate("one-cycle", 0.6)]
    )
