"""What the front end costs: float32 waves to log-mel, beside two others with the same filters.

    serkit       `serkit.frontend.LogMel`: an FFT of windows
    torchlibrosa PANNs' own: a convolution with the Fourier matrix
    torchaudio   `MelSpectrogram` and `AmplitudeToDB`: `torch.stft`

All get the same clips of one length; on a CPU each takes them in parts as the training loop does, which is
faster for the others too. Only serkit reflects each clip at its own end, which costs it something here where
nothing is padded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor, nn

from benchmark.speed import Settings
from benchmark.speed.clips import FRONT_END, made_waves
from benchmark.speed.peers import torchaudio_logmel, torchlibrosa_layers
from benchmark.speed.turns import RATE_HEADERS, rate_cells, rates, take_turns, threads, times_as_fast
from serkit.audio import FULL_SCALE
from serkit.frontend import NAMED, LogMel
from serkit.loader import CPU_CLIPS
from serkit.specs import Recipe

CLIPS = {"cpu": 32, "cuda": Recipe().batch_size}
CLIP_SECONDS = (2.5, 5.7, 10.0)
QUICK_SECONDS = (1.0,)
OURS, TORCHLIBROSA, TORCHAUDIO = "serkit", "torchlibrosa", "torchaudio"


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Every front end at every length of clip, on a CPU with every number of threads; a row each."""
    clips = settings.clips or CLIPS[device]
    front_ends = {
        name: partial(in_parts, front_end, CPU_CLIPS if device == "cpu" else clips)
        for name, front_end in made(device).items()
    }
    rows = []
    for number in settings.threads if device == "cpu" else settings.threads[-1:]:
        with threads(number), torch.inference_mode():
            for seconds in QUICK_SECONDS if settings.quick else CLIP_SECONDS:
                say(f"clips of {seconds} s, {number} thread{'s' * (number > 1)} ...")
                waves = made_waves(clips, seconds, NAMED[FRONT_END].rate_hz)
                on_device = torch.from_numpy(waves).to(device).float() / FULL_SCALE
                works = {name: partial(front_end, on_device) for name, front_end in front_ends.items()}
                turns = take_turns(works, settings.rounds, settings.seconds, device)
                rows += [
                    {
                        "clip_seconds": seconds,
                        "threads": number,
                        "front_end": name,
                        **rates(of, clips),
                        **times_as_fast(of, turns[TORCHLIBROSA]),
                        "rounds": [vars(turn) for turn in of],
                    }
                    for name, of in turns.items()
                ]
    return {"clips": clips, "rows": rows}


def made(device: str) -> dict[str, Callable[[Tensor], Tensor]]:
    """The front ends, each float32 [clips, samples] to [clips, frames, 64] in dB."""
    front_end = NAMED[FRONT_END]
    ours = LogMel(front_end).to(device)
    torchlibrosa = nn.Sequential(*torchlibrosa_layers(front_end)).to(device)
    torchaudio = torchaudio_logmel(front_end).to(device)
    return {
        OURS: lambda waves: ours(waves, np.full(len(waves), waves.shape[1]))[0],
        TORCHLIBROSA: lambda waves: torchlibrosa(waves)[:, 0],
        TORCHAUDIO: lambda waves: torchaudio(waves).transpose(1, 2),
    }


def in_parts(front_end: Callable[[Tensor], Tensor], at_once: int, waves: Tensor) -> list[Tensor]:
    """Log-mel of all clips, a part of them at a time."""
    return [front_end(part) for part in waves.split(at_once)]


def text(measured: Mapping[str, Any]) -> str:
    """The table, as printed."""
    headers = ["Clips", "Threads", "Front end", *RATE_HEADERS]
    rows = [
        [
            f"{row['clip_seconds']} s",
            row["threads"],
            row["front_end"],
            *rate_cells(row),
        ]
        for row in measured["rows"]
    ]
    return "\n\n".join(
        [
            tabulate(rows, headers, disable_numparse=True),
            f"{measured['clips']} clips a batch; median (quartiles) of the rounds. times: against"
            "\ntorchlibrosa in the same round.",
        ]
    )
