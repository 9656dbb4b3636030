"""Encoders of the Hugging Face hub, on waves: wav2vec2, HuBERT, WavLM, and Whisper's.

`ModelSpec.encoder` is `hf:FOLDER` or `hf:org/name@REVISION`. An embedding is the mean of hidden states over a
clip's own frames, as transformers gives them for the clip alone. Differences from transformers:

1. What a clip is padded to does not matter; base models take their first norm over time, padding included.
2. In training nothing is masked and no layer dropped, which would be augmentation; ordinary dropout stays.
3. Data is never code: files are read here, as JSON and tensors, and transformers is given what was read.

Option `layer`: "last", what the network gives; a number, 0 for what enters the first layer, n for what leaves
the n-th, before a norm that follows the last (layers above are left out); "learnt", a mean of all of these
whose weights learn. Option `checkpointing`: true computes layers again in the backward pass, in less memory.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pickle
import re
import sys
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from serkit import encoders
from serkit.errors import ExtraMissing, SpecError, WeightsMissing
from serkit.files import read_json
from serkit.settings import check, one_of
from serkit.specs import ModelSpec
from serkit.words import shown

FAMILIES = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM", "whisper": "Whisper"}
CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that is there
ON_HUB, COMMIT = re.compile(r"[\w.-]+/[\w.-]+@[\w./-]+"), re.compile(r"[0-9a-f]{40}")
SET = {"layerdrop": 0.0, "encoder_layerdrop": 0.0, "mask_time_prob": 0.0, "mask_feature_prob": 0.0}
SET |= {"apply_spec_augment": False, "add_adapter": False, "decoder_layers": 0}
"""In every configuration: no masking, no dropped layers, nothing that comes after the encoder."""
FFT, HOP, FRAME = 400, 160, 320  # Whisper's: samples of a window, between two, and of the encoder's frame


@dataclass(frozen=True)
class Description:
    """As `serkit.encoders.Description`."""

    rate_hz: int
    min_samples: int
    max_samples: int = 0  # 0: any
    takes: str = "waves"


def describe(model: ModelSpec) -> Description:
    """By the configuration alone. Raises SpecError for what is not known, WeightsMissing, ExtraMissing."""
    folder = _folder(model, weights=False)
    config = _configuration(folder)
    _settings(model, config)
    rate_hz = _processor(folder).get("sampling_rate", 16_000)
    check(type(rate_hz) is int and rate_hz > 0, f"{folder}: sampling_rate = {shown(rate_hz)}: expected Hz")
    most = config.max_source_positions * FRAME if config.model_type == "whisper" else 0
    return Description(rate_hz, _shortest(config), max_samples=most)


def identify(model: ModelSpec) -> str:
    """`sha256:...` of weights and configuration, with `commit:...` before it where they are of the hub.

    Equal for equal tensors, whatever the format of their file; one at a time is in memory. Raises
    WeightsMissing or ExtraMissing.
    """
    folder = _folder(model, weights=True)
    file = _weights(folder)
    at = file.stat()
    said: list[Any] = [_digests(file, (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns))]
    for of in (_json(folder / "config.json"), _processor(folder)):
        said.append({key: of[key] for key in of if key[:1] != "_" and key != "transformers_version"})
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return f"commit:{folder.name} sha256:{digest}" if _on_hub(model) else f"sha256:{digest}"


def make(model: ModelSpec) -> Pooled:
    """The network with its weights, float32, on the CPU; raises as `describe`."""
    folder = _folder(model, weights=True)
    config = _configuration(folder)
    layer, checkpointing = _settings(model, config)
    network = _load(folder, config)
    if config.model_type == "whisper":
        return OfLogMel(network.encoder, config, layer, checkpointing)
    return OfWaves(network, config, layer, checkpointing, bool(_processor(folder).get("do_normalize", True)))


class Pooled(nn.Module, ABC):
    """A network whose hidden states are averaged over each clip's own frames."""

    def __init__(self, network: Any, config: Any, layer: str | int, again: bool, **below: list[Any]) -> None:
        """Leaves of the network what `layer` needs; `again`: checkpointing; `below`: its lower parts."""
        super().__init__()
        encoder = getattr(network, "encoder", network)
        self.network, self.width, self.shortest = network, config.hidden_size, _shortest(config)
        self.every, self.again = layer == "learnt", again
        self.mix = nn.Parameter(torch.zeros(config.num_hidden_layers + 1)) if self.every else None
        if layer != "last" and getattr(config, "do_stable_layer_norm", config.model_type == "whisper"):
            encoder.layer_norm = nn.Identity()  # this one follows the last layer, others' precedes the first
        if isinstance(layer, int):
            del encoder.layers[layer:]
        if again:
            network.activation_checkpointing_enable()
        self.named: dict[str, list[Any]] = below | {
            f"layer_{n}": [one] for n, one in enumerate(encoder.layers, start=1)
        }
        self.named |= {"norm": [encoder.layer_norm], "mix": [self.mix] if self.every else []}

    def forward(self, waves: Tensor, samples: Tensor) -> Tensor:
        """Waves, float32 [clips, longest], and each one's samples, int64 [clips], to float32 [clips, width].

        A clip that is too short for a frame gets silence behind it. Raises SpecError where one is too long.
        """
        samples = samples.to(waves.device).clamp(min=self.shortest)
        waves = F.pad(waves, (0, max(0, self.shortest - waves.shape[1])))
        own = _own(samples, waves.shape[1])
        states, frames = self.states(waves.where(own, 0), own, samples)
        shares = _own(frames, states[0].shape[1]) / frames[:, None]
        pooled = torch.stack([(state * shares[..., None]).sum(dim=1) for state in states])
        return pooled[0] if self.mix is None else (pooled * self.mix.softmax(dim=0)[:, None, None]).sum(dim=0)

    @abstractmethod
    def states(self, waves: Tensor, own: Tensor, samples: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """The hidden states asked for, each float [clips, frames, width], and every clip's own frames."""

    def parts(self) -> dict[str, list[Any]]:
        """By name, modules that may be frozen or learn at their own rate; each parameter is in one."""
        return self.named

    def _run(self, inputs: Tensor, **given: Tensor) -> tuple[Tensor, ...]:
        found = self.network(inputs, output_hidden_states=self.every, **given)
        return found.hidden_states if self.every else (found.last_hidden_state,)


class OfWaves(Pooled):
    """wav2vec2 and its like: convolutions over the wave, then a transformer."""

    def __init__(self, network: Any, config: Any, layer: str | int, again: bool, normalised: bool) -> None:
        """`normalised`: each clip is first brought to mean 0 and variance 1."""
        convolutions = network.feature_extractor.conv_layers
        below = {"projection": [network.feature_projection], "positions": [network.encoder.pos_conv_embed]}
        super().__init__(network, config, layer, again, features=[convolutions], **below)
        self.normalised, self.over_time = normalised, config.feat_extract_norm == "group"
        self.steps = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.convolutions, network.feature_extractor = convolutions, nn.Identity()  # given `features` instead

    def states(self, waves: Tensor, own: Tensor, samples: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """As `Pooled.states`."""
        if self.normalised:  # as `Wav2Vec2FeatureExtractor` does
            centred = (waves - waves.sum(dim=1, keepdim=True) / samples[:, None]).where(own, 0)
            waves = centred / (centred.square().sum(dim=1) / samples + 1e-7).sqrt()[:, None]
        frames = [samples]
        for kernel, stride in self.steps:
            frames.append((frames[-1] - kernel) // stride + 1)
        return self._run(self.features(waves, frames[1]), attention_mask=own.long()), frames[-1]

    def features(self, waves: Tensor, frames: Tensor) -> Tensor:
        """Waves to float [clips, channels, frames]; `frames` [clips]: of each clip after the first layer."""
        features, (first, *others) = waves[:, None], self.convolutions
        if not self.over_time:
            features = first(features)
        elif self.again and self.training and torch.is_grad_enabled():  # as the others do by themselves
            features = checkpoint(_normed_alone, first, features, frames.tolist(), use_reentrant=False)
        else:
            features = _normed_alone(first, features, frames.tolist())
        for layer in others:
            features = layer(features)
        return features


class OfLogMel(Pooled):
    """Whisper's encoder: log-mel of a window of 30 s, however short a clip."""

    def __init__(self, encoder: Any, config: Any, layer: str | int, again: bool) -> None:
        """Takes the filters that transformers makes."""
        below = {"features": [encoder.conv1, encoder.conv2], "positions": [encoder.embed_positions]}
        super().__init__(encoder, config, layer, again, **below)
        encoder.embed_positions.requires_grad_(False)  # sines, which `from_pretrained` would let learn
        filters = _libraries()[0].WhisperFeatureExtractor(feature_size=config.num_mel_bins).mel_filters
        self.filters = nn.Buffer(torch.from_numpy(filters).float().T.contiguous(), persistent=False)
        self.hann = nn.Buffer(torch.hann_window(FFT), persistent=False)
        self.window = config.max_source_positions * FRAME

    def states(self, waves: Tensor, own: Tensor, samples: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """As `Pooled.states`."""
        longest, most = waves.shape[1], f"{self.window / 16_000:g}"
        why = f"{longest / 16_000:.4g} s: Whisper takes {most} s; set recipe max_seconds = {most} or less"
        check(longest <= self.window or int(samples.max()) <= self.window, f"a clip of {why}")
        logmel = self.logmel(F.pad(waves, (0, self.window - longest)))
        return self._run(logmel), (samples + FRAME - 1) // FRAME

    def logmel(self, waves: Tensor) -> Tensor:
        """Whole windows to float32 [clips, bands, 2 * frames], as `WhisperFeatureExtractor` does."""
        with torch.autocast(waves.device.type, enabled=False):
            spectrum = torch.stft(waves, FFT, HOP, window=self.hann, return_complex=True)
            bands = (self.filters @ spectrum[..., :-1].abs().square()).clamp(min=1e-10).log10()
            return (bands.maximum(bands.amax(dim=(1, 2), keepdim=True) - 8.0) + 4.0) / 4.0


def _own(counts: Tensor, longest: int) -> Tensor:
    """Which of `longest` places are a clip's own, by their `counts` [clips]: bool [clips, longest]."""
    return torch.arange(longest, device=counts.device) < counts[:, None]


def _normed_alone(layer: Any, waves: Tensor, frames: list[int]) -> Tensor:
    """The first layer of a base model, its norm over each clip's own frames; zeros behind them.

    Clip by clip: sums with a mask would take several times the memory of the widest activation there is.
    """
    features = layer.conv(waves)
    longest = features.shape[2]
    normed = [layer.layer_norm(clip[None, :, :own])[0] for clip, own in zip(features, frames, strict=True)]
    return layer.activation(torch.stack([F.pad(clip, (0, longest - clip.shape[1])) for clip in normed]))


def _shortest(config: Any) -> int:
    """Samples that make one frame."""
    if config.model_type == "whisper":
        return FRAME
    samples = 1
    for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples


def _settings(model: ModelSpec, config: Any) -> tuple[str | int, bool]:
    """`layer` and `checkpointing`. Raises SpecError."""
    settings = {"layer": "last", "checkpointing": False, **dict(model.settings)}
    for name in settings:
        one_of("model setting", name, ("checkpointing", "layer"))
    layer, again, top = settings["layer"], settings["checkpointing"], config.num_hidden_layers
    known = layer in ("last", "learnt") or (type(layer) is int and 0 <= layer <= top)
    check(
        known, f"model setting layer = {shown(layer)}: expected last, learnt, or a whole number in 0..{top}"
    )
    check(type(again) is bool, f"model setting checkpointing = {shown(again)}: expected true or false")
    return layer, again


# --- what is read ---


def _libraries() -> tuple[Any, Any, Any]:
    """The packages transformers, huggingface_hub and safetensors. Raises ExtraMissing."""
    try:
        import huggingface_hub
        import safetensors
        import transformers
    except ModuleNotFoundError as error:
        raise ExtraMissing(str(error.name), "hf") from error
    transformers.logging.set_verbosity_error()  # it lists every weight of a head that is left out
    transformers.logging.disable_progress_bar()
    return transformers, huggingface_hub, safetensors


def _on_hub(model: ModelSpec) -> bool:
    return ON_HUB.fullmatch(model.encoder.removeprefix("hf:")) is not None


def _folder(model: ModelSpec, weights: bool) -> Path:
    """The folder that is meant; of the hub, one whose name is the commit. Raises WeightsMissing."""
    name = model.encoder.removeprefix("hf:")
    try:
        folder = _fetched(name, weights) if _on_hub(model) else encoders.beside(name)
    except SpecError as error:
        raise WeightsMissing(str(error)) from error
    if not (folder / "config.json").is_file():
        wanted = f"expected hf:FOLDER with config.json and {WEIGHTS[0]}, or hf:org/name@REVISION of the hub"
        raise WeightsMissing(f"encoder {model.encoder}: no file {folder / 'config.json'}; {wanted}")
    return folder


@functools.cache
def _fetched(name: str, weights: bool) -> Path:
    """The folder of `org/name@REVISION` in the hub's own cache. Raises WeightsMissing."""
    (repository, _, revision), hub = name.partition("@"), _libraries()[1]
    fetch = functools.partial(hub.snapshot_download, repository)
    try:
        if COMMIT.fullmatch(revision):  # its files never change: nothing is asked where they are here
            with suppress(hub.errors.LocalEntryNotFoundError):
                here = Path(fetch(revision=revision, local_files_only=True))
                if any((here / file).is_file() for file in WEIGHTS):  # they come last
                    return here
        folder = Path(fetch(revision=revision, allow_patterns=list(CONFIGS)))
        for file in WEIGHTS if weights else ():
            if not any((folder / one).is_file() for one in WEIGHTS):
                fetch(revision=folder.name, allow_patterns=[file])
    except Exception as error:  # its HTTP library's own too, which is another with some releases
        ways = "expected a network; or put its files into a folder by hand and name that: hf:FOLDER"
        why = f"could not be fetched ({_first_line(error)}); {ways}"
        raise WeightsMissing(f"encoder hf:{name} {why}") from error
    if folder.name != revision:
        print(f"hf:{name} is commit {folder.name}", file=sys.stderr)
    return folder


def _json(file: Path) -> dict[str, Any]:
    try:
        said = read_json(file)
        check(isinstance(said, dict), "no JSON object")
        return said
    except (OSError, ValueError) as error:  # SpecError is one
        raise WeightsMissing(f"{file} cannot be read ({error}); fetch it again") from error


def _processor(folder: Path) -> dict[str, Any]:
    """What is done to waves before the network, by the file that says so, if there is one."""
    if (folder / CONFIGS[1]).is_file():
        return _json(folder / CONFIGS[1])
    said = _json(folder / CONFIGS[2]).get("feature_extractor") if (folder / CONFIGS[2]).is_file() else None
    return said if isinstance(said, dict) else {}


def _configuration(folder: Path) -> Any:
    """As transformers has it, with what is `SET`. Raises SpecError for a network that is not known."""
    transformers, hub, _ = _libraries()
    said = _json(folder / "config.json")
    check("auto_map" not in said, f"{folder} has code of its own (auto_map), never run; expected one without")
    one_of(f"{folder}: model_type", said.get("model_type"), FAMILIES)
    kind = getattr(transformers, f"{FAMILIES[said['model_type']]}Config")
    # Its own settings alone: those of every network say how to compute, and may name a kernel to be fetched.
    known = set(kind.__annotations__)
    try:
        config = kind(**{name: value for name, value in (said | SET).items() if name in known})
    except (TypeError, ValueError, AttributeError, hub.errors.StrictDataclassError) as error:
        raise WeightsMissing(f"{folder / 'config.json'}: {_first_line(error)}; fetch it again") from error
    mixed = getattr(config, "conv_pos_batch_norm", False)
    check(not mixed, f"{folder}: conv_pos_batch_norm mixes the clips of a batch; expected a network without")
    return config


def _load(folder: Path, config: Any) -> Any:
    """The network with its weights. Raises WeightsMissing where one that it needs is not there."""
    warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")  # WavLM's, in each layer
    of, file = getattr(_libraries()[0], f"{FAMILIES[config.model_type]}Model"), _weights(folder)
    safe = {"trust_remote_code": False, "local_files_only": True, "output_loading_info": True}
    given = {"config": config, "state_dict": dict(_tensors(file)), "dtype": torch.float32}
    try:
        network, told = of.from_pretrained(None, **given, **safe)
    except (RuntimeError, ValueError) as error:
        raise WeightsMissing(f"{file} does not go with its config.json ({_first_line(error)})") from error
    within = "encoder." if config.model_type == "whisper" else ""
    missing = sorted(name for name in told["missing_keys"] if name.startswith(within))
    if missing:
        lacks = f"lacks {missing[0]}, the first of {len(missing)} weights that it should have"
        raise WeightsMissing(f"{file} {lacks}; expected all of a {config.model_type} network")
    return network


def _weights(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise WeightsMissing(f"{folder} has no weights; expected {' or '.join(WEIGHTS)}, in one piece")


def _tensors(file: Path) -> Iterator[tuple[str, Tensor]]:
    """A file's tensors by their names. Raises WeightsMissing where it is damaged or holds anything else."""
    safetensors = _libraries()[2]
    plain = (OSError, EOFError, RuntimeError, ValueError, TypeError, AttributeError, pickle.UnpicklingError)
    try:
        if file.suffix == ".safetensors":
            with safetensors.safe_open(file, framework="pt") as opened:
                yield from ((name, opened.get_tensor(name)) for name in opened.keys())
        else:  # of torch's formats only zip can be mapped
            mapped = zipfile.is_zipfile(file)
            for name, tensor in torch.load(file, map_location="cpu", weights_only=True, mmap=mapped).items():
                yield name, tensor.detach()
    except (*plain, safetensors.SafetensorError) as error:
        why = f"cannot be read as plain weights, and nothing in it was run ({_first_line(error)})"
        raise WeightsMissing(f"{file} {why}; fetch it again") from error


@functools.lru_cache
def _digests(file: Path, _stamp: tuple[int, ...]) -> list[Any]:
    """Name, type, shape and SHA-256 of each tensor, by name; again only where the file was changed."""
    found = []
    for name, tensor in _tensors(file):
        data: Any = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
        found.append([name, str(tensor.dtype), list(tensor.shape), hashlib.sha256(data).hexdigest()])
    return sorted(found)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
