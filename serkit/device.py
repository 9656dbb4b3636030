"""The CPU and the GPU: how arrays get there, and in which precision the network computes there.

Nothing in a training waits for the GPU between two evaluations (`tests/gpu_checks.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def on_gpu(device: str | torch.device) -> bool:
    """Whether a device is a GPU."""
    return torch.device(device).type == "cuda"


def send(array: np.ndarray, device: str | torch.device) -> Tensor:
    """An array on a device, without waiting for what the device is doing.

    From ordinary memory CUDA copies the array aside before the call returns, so it may change afterwards. On
    the CPU the tensor shares the array's memory.
    """
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


def filled(shape: tuple[int, ...], fill: Callable[[np.ndarray], object], stream: torch.cuda.Stream) -> Tensor:
    """An int16 array on a GPU, copied on `stream` while the GPU computes.

    `fill` is given one of that shape on the host to put samples into: pinned memory, which PyTorch keeps and
    gives out again once it has been copied.
    """
    pinned = torch.empty(shape, dtype=torch.int16, pin_memory=True)
    fill(pinned.numpy())
    with torch.cuda.stream(stream):
        made = pinned.to(stream.device, non_blocking=True)
    computing = torch.cuda.current_stream(stream.device)
    computing.wait_stream(stream)
    made.record_stream(computing)
    return made


def autocast(device: str | torch.device) -> torch.autocast:
    """The context the network computes in: bfloat16 where it loses nothing on a GPU, float32 on a CPU."""
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=on_gpu(device))
