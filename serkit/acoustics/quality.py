"""Quality of speech as listeners would rate it, estimated blindly: mean opinion scores from 1 to 5.

Source: Microsoft's DNSMOS, two networks that come with the package `speechmos` (0.0.1.1, MIT): P.808 (one
score; Reddy, Gopal and Cutler, ICASSP 2021) and P.835 (overall, signal and background; the same authors,
ICASSP 2022), run in onnxruntime on the CPU. Differences from `speechmos.dnsmos.run`, whose scores of one
window at our level these are, bit for bit (figures: docs/acoustics.md, "MOS: what DNSMOS does"):

1. What is judged is first brought to one level, to which P.835 reacts.
2. The first 9.01 s count; the package averages windows one second apart, of a short clip all nearly the same.
3. A clip that is repeated is first cut to 780 samples over whole blocks of P.808, so that they fall elsewhere
   in each round: a clip of whole blocks would score lower than one 10 ms longer.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np

from serkit.errors import ExtraMissing

EXTRA = "acoustics"
RATE_HZ = 16000
SECONDS = 9.01  # the networks' input has this shape
LEVEL_DBFS = -26.0  # usual for speech in telephony (ITU-T P.56), though of speech without its pauses
BLOCK_SAMPLES, OVER_BLOCKS = 1280, 780  # P.808's blocks; what a repeated clip is longer than some of them
MODELS = ("model_v8.onnx", "sig_bak_ovr.onnx")  # P.808, P.835
FFT_SAMPLES, HOP_SAMPLES, MEL_BANDS = 321, 160, 120  # P.808's input, as the package makes it
CORRECTIONS = (  # the package's, of P.835: signal, background, overall; highest power first
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)


def heard(wave: np.ndarray) -> np.ndarray:
    """What the networks hear of a clip: its first 9.01 s, a shorter one repeated, at -26 dBFS RMS.

    Fainter where the peak would exceed full scale; silence stays silence. From float32 [samples] at 16 kHz to
    float32 [144160] in [-1, 1].
    """
    samples = int(SECONDS * RATE_HZ)
    if OVER_BLOCKS <= len(wave) < samples:
        wave = wave[: len(wave) - (len(wave) - OVER_BLOCKS) % BLOCK_SAMPLES]
    window = np.resize(wave, samples).astype(np.float64)
    rms, peak = np.sqrt(np.mean(window**2)), np.abs(window).max()
    if peak > 0:
        window *= min(10 ** (LEVEL_DBFS / 20) / rms, 1 / peak)
    return window.astype(np.float32)


class Dnsmos:
    """Both networks, opened.

    They score anything, noise and part of a syllable too; only digital silence is refused, with NaN
    (`serkit.audio.unfit` tells which clips should not be judged). Clips are judged one by one: four at once
    take as long a clip, and twice the memory (560 MB, not 280).
    """

    def __init__(self, threads: int = 1) -> None:
        """Opens the networks; the scores do not depend on the threads. Raises ExtraMissing."""
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it keeps a number of this machine, and warns
        try:
            import librosa
            import onnxruntime
        except ModuleNotFoundError as error:
            raise ExtraMissing(str(error.name), EXTRA) from error
        self._librosa = librosa
        self._mel = librosa.filters.mel(sr=RATE_HZ, n_fft=FFT_SAMPLES, n_mels=MEL_BANDS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._p808, self._p835 = (
            onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            for model in _models()
        )

    def p808(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """P.808's score of each clip, float64 [clips], NaN for silence; clips as `heard` takes them."""
        return _each(waves, 1, lambda wave: _answer(self._p808, self._log_mel(wave)))[:, 0]

    def p835(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """P.835's scores of each clip: overall, signal, background; float64 [clips, 3], NaN for silence."""
        scores = _each(waves, 3, lambda wave: _answer(self._p835, wave))
        return np.stack([np.polyval(CORRECTIONS[of], scores[:, of]) for of in (2, 0, 1)], axis=1)

    def _log_mel(self, wave: np.ndarray) -> np.ndarray:
        """P.808's input, float32 [900, 120], as the package makes it, but for filters made once."""
        spectrum = self._librosa.stft(wave[:-HOP_SAMPLES], n_fft=FFT_SAMPLES, hop_length=HOP_SAMPLES)
        decibels = self._librosa.power_to_db(self._mel @ np.abs(spectrum) ** 2, ref=np.max)
        return ((decibels + 40) / 40).T


def digest() -> str:
    """Short digest of both networks: other networks give other scores. Raises ExtraMissing."""
    return hashlib.sha256(b"".join(_models())).hexdigest()[:12]


def _models() -> list[bytes]:
    try:
        folder = resources.files("speechmos") / "dnsmos_models"
    except ModuleNotFoundError as error:
        raise ExtraMissing("speechmos", EXTRA) from error
    return [(folder / name).read_bytes() for name in MODELS]


def _answer(network: Any, window: np.ndarray) -> np.ndarray:
    return network.run(None, {"input_1": window[None]})[0][0]


def _each(waves: Sequence[np.ndarray], columns: int, judge: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `judge` says of each clip as it is heard, float64 [clips, columns]; NaN for silence."""
    scores = np.full((len(waves), columns), np.nan)
    for row, wave in zip(scores, map(heard, waves), strict=True):
        if wave.any():
            row[:] = judge(wave)
    return scores
