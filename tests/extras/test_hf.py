"""Hugging Face encoders: transformers is the reference, and each remedy is shown to be one."""

from __future__ import annotations

import ast
import copy
import json
import os
import pickle
import shutil
import socket
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from serkit.errors import ExtraMissing, SpecError, WeightsMissing
from serkit.specs import ModelSpec

transformers = pytest.importorskip("transformers")
import safetensors.torch  # noqa: E402

from serkit.encoders import hf  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

CONVOLVED = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 12),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 8,
}
STILL = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, "feat_proj_dropout": 0.0}
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
GROUPED = {"feat_extract_norm": "group", "do_stable_layer_norm": False}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 24,
    "num_mel_bins": 8,
    "max_source_positions": 50,  # a window of one second
    "max_target_positions": 10,
    "vocab_size": 20,
    **{name: 1 for name in ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")},
}
FAMILIES = ("Wav2Vec2", "Hubert", "WavLM")
NETWORKS = [(family, norm) for family in FAMILIES for norm in ("layer", "group")]
LENGTHS = (2000, 731, 1377, 33)  # samples; of the last, three frames


def model(folder, **settings):
    """The spec of a folder, or of what the hub has."""
    text = str(folder)
    encoder = text if text.startswith("hf:") else f"hf:{text}"
    return ModelSpec(encoder=encoder, settings=tuple(sorted(settings.items())))


def network(family, norm="layer", **settings):
    """Transformers' own network, of random weights that are none of its usual zeros and ones."""
    torch.manual_seed(0)
    own = WHISPER if family == "Whisper" else CONVOLVED | STILL | (STABLE if norm == "layer" else GROUPED)
    config = getattr(transformers, f"{family}Config")(**(own | settings))
    made = getattr(transformers, f"{family}Model")(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return made


def saved(made, folder, **processor):
    made.save_pretrained(folder)
    if processor:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def clips(lengths=LENGTHS):
    """Waves with silence behind them, float32 [clips, longest], and their samples."""
    generator = torch.Generator().manual_seed(1)
    waves = torch.zeros(len(lengths), max(lengths))
    for wave, length in zip(waves, lengths, strict=True):
        wave[:length] = torch.randn(length, generator=generator) * 0.1 + 0.05
    return waves, torch.tensor(lengths)


def as_processed(wave):
    """One clip as transformers' own extractor gives it."""
    extractor = transformers.Wav2Vec2FeatureExtractor()
    return extractor(wave.numpy(), sampling_rate=16_000, return_tensors="pt").input_values


def apart(found, expected):
    """The largest difference, by the largest value."""
    return float(((found - expected).abs().max() / expected.abs().max()).detach())


# --- what transformers gives ---


@pytest.mark.parametrize(("family", "norm"), NETWORKS)
def test_a_clip_alone_is_as_in_transformers(family, norm, tmp_path):
    plain = network(family, norm)
    encoder = hf.make(model(saved(plain, tmp_path))).eval()
    (wave,), samples = clips([1999])
    with torch.no_grad():
        expected = plain(as_processed(wave)).last_hidden_state.mean(dim=1)
        found = encoder(wave[None], samples)
    assert (encoder.width, found.shape, found.dtype) == (16, (1, 16), torch.float32)
    assert apart(found, expected) < 1e-6


@pytest.mark.parametrize(("family", "norm"), NETWORKS)
@pytest.mark.parametrize("layer", [0, 1, 2, "learnt"])
def test_each_layer_is_transformers_hidden_state(family, norm, layer, tmp_path):
    plain = network(family, norm)
    encoder = hf.make(model(saved(plain, tmp_path), layer=layer)).eval()
    (wave,), samples = clips([1999])
    with torch.no_grad():
        states = plain(as_processed(wave), output_hidden_states=True).hidden_states
        pooled = torch.stack([state.mean(dim=1) for state in states])
        expected = pooled.mean(dim=0) if layer == "learnt" else pooled[layer]
        assert apart(encoder(wave[None], samples), expected) < 1e-6
        if layer == "learnt":
            encoder.mix.copy_(torch.tensor([-40.0, 40.0, -40.0]))
            assert apart(encoder(wave[None], samples), pooled[1]) < 1e-6
    if layer == 1:
        assert len(encoder.network.encoder.layers) == 1  # what is above costs nothing


def test_whispers_encoder_is_as_in_transformers(tmp_path):
    plain = network("Whisper")
    folder = saved(plain, tmp_path)
    waves, samples = clips([16_000, 9001])
    extractor = transformers.WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    arrays = [wave[:length].numpy() for wave, length in zip(waves, samples, strict=True)]
    given = extractor(arrays, sampling_rate=16_000, return_tensors="pt").input_features
    encoder = hf.make(model(folder)).eval()
    assert apart(encoder.logmel(waves), given) < 1e-6
    with torch.no_grad():
        whole = plain.encoder(given, output_hidden_states=True)
        expected = torch.stack([whole.last_hidden_state[0].mean(0), whole.last_hidden_state[1, :29].mean(0)])
        assert apart(encoder(waves, samples), expected) < 1e-6
        for layer in (0, 1):
            part = hf.make(model(folder, layer=layer)).eval()
            assert apart(part(waves, samples)[:1], whole.hidden_states[layer][:1].mean(1)) < 1e-6
        two = hf.make(model(folder, layer=2)).eval()(waves, samples)[:1]  # before the norm
        learnt = hf.make(model(folder, layer="learnt")).eval()(waves, samples)[:1]
        mixed = sum(whole.hidden_states[layer][:1].mean(1) for layer in (0, 1)) + two
        assert apart(learnt, mixed / 3) < 1e-6


def test_whispers_window_is_its_whole_world(tmp_path):
    folder = saved(network("Whisper"), tmp_path)
    encoder = hf.make(model(folder)).eval()
    waves, samples = clips([16_001, 400])
    with pytest.raises(SpecError, match=r"1 s: Whisper takes 1 s; set recipe max_seconds = 1 or less"):
        encoder(waves, samples)
    assert encoder(waves, samples.clamp(max=16_000)).shape == (2, 16)  # only padding is beyond


def test_published_whispers_window_is_30_seconds():
    config = transformers.WhisperConfig()
    assert config.max_source_positions * hf.FRAME == 30 * 16_000


# --- padding ---


@pytest.mark.parametrize(("family", "norm"), [*NETWORKS, ("Whisper", "")])
@pytest.mark.parametrize("layer", ["last", "learnt"])
def test_padding_does_not_matter(family, norm, layer, tmp_path, record_property):
    encoder = hf.make(model(saved(network(family, norm), tmp_path), layer=layer)).eval()
    waves, samples = clips()
    waves[1, 731:] = 9.0  # whatever is behind a clip
    with torch.no_grad():
        together = encoder(torch.nn.functional.pad(waves, (0, 500)), samples)
        alone = [encoder(wave[None, :n], torch.tensor([n])) for wave, n in zip(waves, LENGTHS, strict=True)]
    worst = max(apart(row, own[0]) for row, own in zip(together, alone, strict=True))
    record_property("worst", worst)
    print(f"{family} {norm} {layer}: {worst:.1e}")
    assert worst < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_without_the_remedy_base_models_heed_padding(family, tmp_path, monkeypatch):
    encoder = hf.make(model(saved(network(family, "group"), tmp_path))).eval()
    waves, samples = clips()
    with torch.no_grad():
        alone = encoder(waves[1:2, :731], samples[1:2])
        assert apart(encoder(waves, samples)[1:2], alone) < 1e-5
        monkeypatch.setattr(hf, "_normed_alone", lambda layer, waves, frames: layer(waves))
        assert apart(encoder(waves, samples)[1:2], alone) > 1e-2


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_levels_are_brought_to_one_as_the_processor_says(norm, tmp_path):
    plain = network("Wav2Vec2", norm)
    folder = saved(plain, tmp_path, do_normalize=False)
    waves, samples = clips([1999])
    with torch.no_grad():
        raw = plain(waves).last_hidden_state.mean(dim=1)
        assert apart(hf.make(model(folder)).eval()(waves, samples), raw) < 1e-6
        (folder / "preprocessor_config.json").write_text('{"do_normalize": true}')
        normed = plain(as_processed(waves[0])).last_hidden_state.mean(dim=1)
        assert apart(hf.make(model(folder)).eval()(waves, samples), normed) < 1e-6
        assert norm == "group" or apart(raw, normed) > 1e-3
        shutil.move(folder / "preprocessor_config.json", folder / "x")  # as transformers 5 saves processors
        (folder / "processor_config.json").write_text('{"feature_extractor": {"do_normalize": false}}')
        assert apart(hf.make(model(folder)).eval()(waves, samples), raw) < 1e-6


@pytest.mark.parametrize(
    ("settings", "shortest"),
    [
        ({"conv_kernel": (10, 3), "conv_stride": (5, 2)}, 20),
        ({"conv_kernel": (4, 5), "conv_stride": (3, 4)}, 16),
        (
            {
                name: getattr(transformers.Wav2Vec2Config(), name)
                for name in ("conv_dim", "conv_kernel", "conv_stride")
            },
            400,
        ),
    ],
)
def test_the_shortest_clip_is_one_frame(settings, shortest, tmp_path):
    config = transformers.Wav2Vec2Config(**(CONVOLVED | settings | GROUPED))
    config.save_pretrained(tmp_path)
    said = hf.describe(model(tmp_path))  # there are no weights
    assert (said.rate_hz, said.min_samples, said.takes) == (16_000, shortest, "waves")
    plain = transformers.Wav2Vec2Model(config)
    assert plain._get_feat_extract_output_lengths(torch.tensor([shortest - 1, shortest])).tolist() == [0, 1]


@pytest.mark.parametrize(("family", "norm"), [*NETWORKS, ("Whisper", "")])
def test_shorter_clips_count_as_the_shortest(family, norm, tmp_path):
    encoder = hf.make(model(saved(network(family, norm), tmp_path))).eval()
    shortest = encoder.shortest
    waves, _ = clips([5])
    padded = torch.nn.functional.pad(waves, (0, shortest - 5))
    expected = encoder(padded, torch.tensor([shortest]))
    assert expected.isfinite().all()
    torch.testing.assert_close(encoder(padded, torch.tensor([5])), expected)
    torch.testing.assert_close(encoder(waves, torch.tensor([5])), expected)


# --- training ---

RESTLESS = {"mask_time_prob": 0.5, "mask_feature_prob": 0.5, "mask_time_length": 2, "mask_feature_length": 2}


@pytest.mark.parametrize(("family", "norm"), NETWORKS)
@pytest.mark.parametrize(
    "of", [{"layerdrop": 0.0, **RESTLESS}, {"layerdrop": 0.6, "apply_spec_augment": False}]
)
def test_a_network_does_not_augment_by_itself(family, norm, of, tmp_path):
    if family == "WavLM":  # its configuration lacks what transformers needs to mask features
        of = {name: value for name, value in of.items() if name != "mask_feature_prob"}
    plain = network(family, norm, **of).train()
    encoder = hf.make(model(saved(plain, tmp_path)))
    waves, samples = clips()
    evaluated = encoder.eval()(waves, samples)
    encoder.train()
    assert all(torch.equal(encoder(waves, samples), evaluated) for _ in range(5))
    outcomes = [plain(waves).last_hidden_state for _ in range(5)]
    assert not all(torch.equal(one, outcomes[0]) for one in outcomes)  # transformers' own does


def test_whisper_drops_no_layer(tmp_path):
    plain = network("Whisper", encoder_layerdrop=0.6)
    encoder = hf.make(model(saved(plain, tmp_path)))
    waves, samples = clips()
    evaluated = encoder.eval()(waves, samples)
    assert all(torch.equal(encoder.train()(waves, samples), evaluated) for _ in range(5))
    outcomes = [plain.encoder.train()(encoder.logmel(torch.zeros(1, 16_000)))[0] for _ in range(8)]
    assert not all(torch.equal(one, outcomes[0]) for one in outcomes)


@pytest.mark.parametrize(
    "dropout", ["hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"]
)
def test_ordinary_dropout_stays(dropout, tmp_path):
    encoder = hf.make(model(saved(network("Wav2Vec2", **{dropout: 0.5}), tmp_path))).train()
    waves, samples = clips()
    assert not torch.equal(encoder(waves, samples), encoder(waves, samples))


@pytest.mark.parametrize("family", [*FAMILIES, "Whisper"])
def test_a_step_of_training_is_that_of_a_plain_loop(family, tmp_path):
    plain = network(family, layerdrop=0.0) if family != "Whisper" else network(family)
    encoder = hf.make(model(saved(plain, tmp_path, do_normalize=False))).train()
    waves, samples = clips()
    labels = torch.tensor([0, 1, 2, 3])
    torch.manual_seed(0)
    head = nn.Linear(16, 4)
    own = copy.deepcopy(head)
    plain = plain.encoder if family == "Whisper" else plain
    plain.config.apply_spec_augment = False
    plain.train()
    optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-3)
    theirs = torch.optim.Adam([*plain.parameters(), *own.parameters()], lr=1e-3)
    for _ in range(2):
        loss = nn.functional.cross_entropy(head(encoder(waves, samples)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if family == "Whisper":
            hidden = plain(encoder.logmel(nn.functional.pad(waves, (0, 14_000)))).last_hidden_state
            frames = -(-samples // 320)
        else:
            mask = (torch.arange(waves.shape[1]) < samples[:, None]).long()
            hidden = plain(waves, attention_mask=mask).last_hidden_state
            frames = plain._get_feat_extract_output_lengths(samples)
        pooled = torch.stack([clip[:n].mean(dim=0) for clip, n in zip(hidden, frames.tolist(), strict=True)])
        expected = nn.functional.cross_entropy(own(pooled), labels)
        theirs.zero_grad()
        expected.backward()
        theirs.step()
        assert abs(float(loss.detach() - expected.detach())) < 1e-6
    torch.testing.assert_close(head.weight, own.weight, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("family", "norm"), [*NETWORKS, ("Whisper", "")])
def test_checkpointing_gives_the_same_gradients(family, norm, tmp_path):
    dropouts = {"dropout": 0.1} if family == "Whisper" else {"hidden_dropout": 0.1}
    folder = saved(network(family, norm, **dropouts), tmp_path)
    waves, samples = clips()
    gradients = []
    for settings in ({}, {"checkpointing": True}):
        encoder = hf.make(model(folder, **settings)).train()
        runs = []
        parts = encoder.parts()
        watched = [parts["layer_1"][0].layer_norm if family != "Whisper" else parts["layer_1"][0].fc1]
        watched += [parts["features"][0][0].conv] if family != "Whisper" else []
        for one in watched:
            one.register_forward_hook(lambda module, *_, runs=runs: runs.append(module))
        torch.manual_seed(3)
        encoder(waves, samples).square().sum().backward()
        assert [runs.count(one) for one in watched] == [1 + bool(settings)] * len(watched)
        gradients.append([value.grad for value in encoder.parameters() if value.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("family", "norm"), [*NETWORKS, ("Whisper", "")])
@pytest.mark.parametrize("layer", ["last", 1, "learnt"])
def test_every_parameter_is_in_one_part_and_learns(family, norm, layer, tmp_path):
    encoder = hf.make(model(saved(network(family, norm), tmp_path), layer=layer)).train()
    parts = encoder.parts()
    listed = []
    for part in parts.values():
        for one in part:
            listed += [one] if isinstance(one, nn.Parameter) else list(one.parameters())
    assert sorted(map(id, listed)) == sorted(map(id, encoder.parameters()))
    assert {"features", "positions", "layer_1", "norm", "mix"} <= set(parts)
    assert ("layer_2" in parts) == (layer != 1)
    encoder(*clips()).square().sum().backward()
    still = [name for name, value in encoder.named_parameters() if value.grad is None and value.requires_grad]
    assert still == []
    again = copy.deepcopy(encoder)
    assert next(iter(again.parts()["layer_1"][0].parameters())) is not listed[0]


def test_features_can_be_frozen(tmp_path):
    encoder = hf.make(model(saved(network("Wav2Vec2", "group"), tmp_path), checkpointing=True)).train()
    for part in encoder.parts()["features"]:
        part.requires_grad_(False)
    encoder(*clips()).square().sum().backward()
    assert all(value.grad is None for value in encoder.convolutions.parameters())
    assert encoder.network.feature_projection.projection.weight.grad is not None


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 1}, r"model setting 'layers': expected one of checkpointing, layer"),
        ({"layer": 3}, r"model setting layer = 3: expected last, learnt, or a whole number in 0\.\.2"),
        ({"layer": -1}, "layer = -1"),
        ({"layer": True}, "layer = True"),
        ({"layer": 1.0}, r"layer = 1\.0"),
        ({"layer": "first"}, "layer = 'first'"),
        ({"checkpointing": 1}, "checkpointing = 1: expected true or false"),
    ],
)
def test_other_settings_are_refused(settings, message, tmp_path):
    saved(network("Hubert"), tmp_path)
    for function in (hf.describe, hf.make):
        with pytest.raises(SpecError, match=message):
            function(model(tmp_path, **settings))


def test_other_networks_are_refused(tmp_path):
    for config, message in (
        ({"model_type": "bert"}, "model_type 'bert': expected one of wav2vec2, hubert, wavlm, whisper"),
        ({}, "model_type None"),
        ({"model_type": "hubert", "conv_pos_batch_norm": True}, "mixes the clips of a batch"),
        ({"model_type": "hubert", "auto_map": {"AutoModel": "mine.Mine"}}, "code of its own"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(SpecError, match=message):
            hf.describe(model(tmp_path))


def test_the_rate_is_the_processors(tmp_path):
    saved(network("Hubert"), tmp_path, sampling_rate=8000)
    assert hf.describe(model(tmp_path)).rate_hz == 8000


# --- weights ---


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return saved(network("Wav2Vec2"), tmp_path_factory.mktemp("kept"), do_normalize=True)


@pytest.fixture
def folder(kept, tmp_path):
    """A folder of weights to be changed."""
    return Path(shutil.copytree(kept, tmp_path / "folder"))


def state_of(folder):
    return safetensors.torch.load_file(folder / "model.safetensors")


def as_bin(folder, state, **how):
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin", **how)


@pytest.mark.parametrize("zipped", [True, False])
def test_the_format_of_the_file_does_not_matter(zipped, folder):
    before, encoder = hf.identify(model(folder)), hf.make(model(folder)).eval()
    assert before.startswith("sha256:")
    assert len(before) == 7 + 64
    as_bin(folder, state_of(folder), _use_new_zipfile_serialization=zipped)
    assert hf.identify(model(folder)) == before
    assert torch.equal(hf.make(model(folder)).eval()(*clips()), encoder(*clips()))


def test_what_matters_changes_the_identity(folder):
    seen = {hf.identify(model(folder))}
    state = state_of(folder)
    state["encoder.layers.1.final_layer_norm.bias"][3] += 1e-6
    safetensors.torch.save_file(state, folder / "model.safetensors")
    seen.add(hf.identify(model(folder)))
    safetensors.torch.save_file({f"a.{name}": state[name] for name in state}, folder / "model.safetensors")
    seen.add(hf.identify(model(folder)))
    safetensors.torch.save_file({name: state[name].double() for name in state}, folder / "model.safetensors")
    seen.add(hf.identify(model(folder)))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1.1e-5}))
    seen.add(hf.identify(model(folder)))
    (folder / "preprocessor_config.json").write_text('{"do_normalize": false}')
    seen.add(hf.identify(model(folder)))
    assert len(seen) == 6


def test_what_does_not_matter_does_not(folder, tmp_path):
    before = hf.identify(model(folder))
    config = json.loads((folder / "config.json").read_text())
    more = {"_name_or_path": "elsewhere", "transformers_version": "4.0.0"}
    (folder / "config.json").write_text(json.dumps(dict(reversed((config | more).items())), indent=7))
    safetensors.torch.save_file(dict(reversed(state_of(folder).items())), folder / "model.safetensors")
    moved = folder.rename(tmp_path / "moved")
    assert hf.identify(model(moved)) == before


def test_one_tensor_is_in_memory_at_a_time(folder, monkeypatch):
    import weakref

    alive, tensors = [], hf._tensors

    def watched(file):
        for name, tensor in tensors(file):
            assert sum(one() is not None for one in alive) <= 1
            alive.append(weakref.ref(tensor))
            yield name, tensor

    monkeypatch.setattr(hf, "_tensors", watched)
    hf._digests.cache_clear()
    hf.identify(model(folder))
    assert len(alive) > 30


def test_a_head_is_left_out_and_names_may_have_a_prefix(tmp_path):
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(**(CONVOLVED | STILL | STABLE))
    plain = transformers.Wav2Vec2ForCTC(config).eval()
    saved(plain, tmp_path)
    encoder = hf.make(model(tmp_path)).eval()
    (wave,), samples = clips([1999])
    expected = plain.wav2vec2(as_processed(wave)).last_hidden_state.mean(dim=1)
    assert apart(encoder(wave[None], samples), expected) < 1e-6


def test_weight_norm_by_its_old_name(folder):
    expected = hf.make(model(folder)).eval()(*clips())
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    state = {}
    for name, tensor in state_of(folder).items():
        for new, before in old.items():
            name = name.replace(new, before)
        state[name] = tensor
    assert any(name.endswith("weight_g") for name in state)
    safetensors.torch.save_file(state, folder / "model.safetensors")
    assert torch.equal(hf.make(model(folder)).eval()(*clips()), expected)


def test_half_precision_is_computed_in_single(folder):
    state = {name: tensor.half() for name, tensor in state_of(folder).items()}
    safetensors.torch.save_file(state, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float16"}))
    assert {value.dtype for value in hf.make(model(folder)).parameters()} == {torch.float32}


def test_a_missing_weight_is_named(folder):
    state = state_of(folder)
    del state["encoder.layers.1.attention.k_proj.weight"], state["encoder.layers.1.final_layer_norm.bias"]
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with pytest.raises(
        WeightsMissing, match=r"lacks encoder\.layers\.1\.attention\.k_proj\.weight, the first of 2"
    ):
        hf.make(model(folder))


def test_the_vector_for_masking_may_lack(folder):
    state = state_of(folder)
    del state["masked_spec_embed"]
    safetensors.torch.save_file(state, folder / "model.safetensors")
    hf.make(model(folder))


def test_whispers_decoder_may_lack_its_encoder_not(tmp_path):
    saved(network("Whisper"), tmp_path)
    state = {name: tensor for name, tensor in state_of(tmp_path).items() if name.startswith("encoder.")}
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    encoder = hf.make(model(tmp_path))
    assert not any("decoder" in name for name, _ in encoder.named_parameters())
    del state["encoder.conv1.weight"]
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(WeightsMissing, match=r"lacks encoder\.conv1\.weight, the first of 1"):
        hf.make(model(tmp_path))


def test_weights_of_another_size_are_refused(folder):
    state = state_of(folder)
    state["encoder.layer_norm.weight"] = torch.ones(17)
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with pytest.raises(WeightsMissing, match=r"does not go with its config\.json"):
        hf.make(model(folder))


def test_a_folder_without_files_says_what_is_expected(tmp_path):
    for function in (hf.describe, hf.identify, hf.make):
        with pytest.raises(
            WeightsMissing, match=r"no file .*config\.json; expected hf:FOLDER with config\.json"
        ):
            function(model(tmp_path))
    transformers.Wav2Vec2Config(**CONVOLVED).save_pretrained(tmp_path)
    for function in (hf.identify, hf.make):
        with pytest.raises(
            WeightsMissing, match=r"no weights; expected model\.safetensors or pytorch_model\.bin"
        ):
            function(model(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "{",
        '{"model_type": "wav2vec2", "hidden_size": "wide"}',
        '{"model_type": "hubert", "conv_dim": [3]}',
    ],
)
def test_a_damaged_configuration_is_told(text, folder):
    (folder / "config.json").write_text(text)
    with pytest.raises(WeightsMissing, match=r"config\.json"):
        hf.make(model(folder))


def test_damaged_weights_are_told(folder):
    whole = (folder / "model.safetensors").read_bytes()
    for content in (b"", whole[:100], whole[:-9], b"\xff" * 100):
        (folder / "model.safetensors").write_bytes(content)
        for function in (hf.identify, hf.make):
            with pytest.raises(WeightsMissing, match="cannot be read as plain weights"):
                function(model(folder))


# --- data is never code ---


class Mine:
    """Read carelessly, it makes a folder."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("how", ["pickled", "zipped", "within", "no tensors"])
def test_weights_that_run_code_do_not(how, folder, tmp_path):
    mine, state = Mine(tmp_path / "ran"), state_of(folder)
    content = {"within": state | {"head": mine}, "no tensors": {"a": [1, 2]}}.get(how, mine)
    as_bin(folder, content)
    if how == "pickled":
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(mine, protocol=2))
    for function in (hf.identify, hf.make):
        with pytest.raises(WeightsMissing, match="nothing in it was run"):
            function(model(folder))
    assert not mine.mark.exists()
    if how == "within":
        torch.load(folder / "pytorch_model.bin", weights_only=False)
        assert mine.mark.exists()  # so it would have


def test_code_in_the_folder_is_not_run(folder, tmp_path, monkeypatch):
    ran = tmp_path / "ran"
    (folder / "mine.py").write_text(
        f"import os; os.mkdir({str(ran)!r})\n"
        "from transformers import Wav2Vec2Config as Config, Wav2Vec2Model as Model\n"
    )
    config = json.loads((folder / "config.json").read_text())
    config |= {"auto_map": {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}, "model_type": "mine"}
    (folder / "config.json").write_text(json.dumps(config))
    for function in (hf.describe, hf.make):
        with pytest.raises(SpecError, match="code of its own"):
            function(model(folder))
    assert not ran.exists()
    monkeypatch.setattr(transformers.Wav2Vec2Config, "_auto_class", None)  # which the next line sets for good
    transformers.AutoConfig.from_pretrained(folder, trust_remote_code=True)
    assert ran.exists()  # so it would have


def test_a_configuration_cannot_say_how_to_compute(folder):
    """`attn_implementation` may name a kernel on the hub, which transformers would fetch and run."""
    before = hf.make(model(folder)).eval()(*clips())
    config = json.loads((folder / "config.json").read_text())
    config |= {"attn_implementation": "somebody/kernel", "_attn_implementation": "somebody/kernel"}
    config |= {"gradient_checkpointing": True, "output_hidden_states": True, "return_dict": False}
    config |= {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}
    (folder / "config.json").write_text(json.dumps(config))
    encoder = hf.make(model(folder)).eval()
    assert encoder.network.config._attn_implementation == "sdpa"
    assert not any(getattr(one, "gradient_checkpointing", False) for one in encoder.modules())
    assert torch.equal(encoder(*clips()), before)


def test_a_folder_needs_no_network(folder, monkeypatch):
    def no_network(*_, **__):
        raise AssertionError("looked for a network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    as_bin(folder, state_of(folder))
    hf.describe(model(folder)), hf.identify(model(folder)), hf.make(model(folder))


# --- the hub ---

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(kept, tmp_path, monkeypatch):
    """A hub with one repository, as `snapshot_download` has it; what was asked of it."""
    import fnmatch

    import huggingface_hub

    remote, asked = Path(shutil.copytree(kept, tmp_path / "remote")), []
    (remote / "mine.py").write_text("raise SystemExit")
    place = types.SimpleNamespace(
        asked=asked, remote=remote, online=True, here=tmp_path / "snapshots" / COMMIT
    )

    def snapshot_download(repo_id, *, revision, allow_patterns=None, local_files_only=False):
        if local_files_only or not place.online:
            if place.here.is_dir() and revision == COMMIT:
                return str(place.here)
            raise huggingface_hub.errors.LocalEntryNotFoundError("not here, and no network")
        asked.append((repo_id, revision, tuple(allow_patterns)))
        place.here.mkdir(parents=True, exist_ok=True)
        for file in remote.iterdir():
            if any(fnmatch.fnmatch(file.name, pattern) for pattern in allow_patterns):
                shutil.copy(file, place.here)
        return str(place.here)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    hf._fetched.cache_clear()
    yield place
    hf._fetched.cache_clear()


def test_a_branch_becomes_its_commit(hub, kept, capsys):
    one = model("hf:org/name@main")
    assert hf.describe(one).min_samples == 20
    assert [patterns for _, _, patterns in hub.asked] == [hf.CONFIGS]  # no weights yet
    assert f"hf:org/name@main is commit {COMMIT}" in capsys.readouterr().err
    assert hf.identify(one) == f"commit:{COMMIT} {hf.identify(model(kept))}"
    assert hub.asked[-1] == ("org/name", COMMIT, ("model.safetensors",))
    hf.make(one)
    assert sorted(file.name for file in hub.here.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]


def test_a_pickle_is_fetched_where_there_is_nothing_else(hub):
    as_bin(hub.remote, state_of(hub.remote))
    hf.make(model(f"hf:org/name@{COMMIT}"))
    assert [patterns for _, _, patterns in hub.asked][1:] == [("model.safetensors",), ("pytorch_model.bin",)]


def test_a_commit_that_is_here_needs_no_network(hub):
    one = model(f"hf:org/name@{COMMIT}")
    before = hf.identify(one)
    hub.asked.clear()
    hf._fetched.cache_clear()
    assert hf.identify(one) == before
    assert hf.describe(one).rate_hz == 16_000
    assert hub.asked == []


def test_without_a_network_it_says_what_to_do(hub):
    hub.online = False
    for function in (hf.describe, hf.identify, hf.make):
        with pytest.raises(
            WeightsMissing, match=r"no network.*expected a network; or put its files into a folder"
        ):
            function(model("hf:org/name@main"))


def test_the_real_library_without_a_network(monkeypatch, tmp_path):
    def no_network(*_, **__):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    hf._fetched.cache_clear()
    with pytest.raises(WeightsMissing, match="org/name@main could not be fetched"):
        hf.make(model("hf:org/name@main"))


def test_a_missing_package_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ExtraMissing, match=r"transformers is needed .* pip install 'serkit\[hf\]'"):
        hf.make(model(folder))


def test_importing_it_imports_no_transformers():
    top = ast.parse(Path(hf.__file__).read_text(encoding="utf-8")).body
    named = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module for node in top if isinstance(node, ast.ImportFrom)}
    assert "torch" in named
    assert not named & {"transformers", "huggingface_hub", "safetensors"}


def test_bfloat16_changes_little(tmp_path):
    """Under autocast, as on a GPU, what must be exact is computed in float32."""
    for family, norm in (("Hubert", "group"), ("Whisper", "")):
        encoder = hf.make(model(saved(network(family, norm), tmp_path / family))).eval()
        waves, samples = clips()
        expected = encoder(waves, samples)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = encoder(waves, samples)
        assert found.dtype == torch.float32
        assert apart(found, expected) < 0.03
        np.testing.assert_array_equal(np.isfinite(found.detach().numpy()), True)
