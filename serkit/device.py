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
    """An array on a device, without waiting for it; on the CPU the tensor shares the array's memory."""
    # CUDA copies ordinary memory aside before the call returns: the array may change afterwards.
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


def filled(
    shape: tuple[int, ...], fill: Callable[[np.ndarray], object], stream: torch.cuda.Stream | None
) -> Tensor:
    """An int16 array that `fill` puts samples into; copied to the GPU of `stream`, if any, as it computes."""
    # PyTorch keeps pinned memory and gives it out again once it has been copied.
    here = torch.empty(shape, dtype=torch.int16, pin_memory=stream is not None)
    fill(here.numpy())
    if stream is None:
        return here
    with torch.cuda.stream(stream):
        made = here.to(stream.device, non_blocking=True)
    computing = torch.cuda.current_stream(stream.device)
    computing.wait_stream(stream)
    made.record_stream(computing)
    return made


def autocast(device: str | torch.device) -> torch.autocast:
    """The context the network computes in: bfloat16 where it loses nothing on a GPU, float32 on a CPU."""
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=on_gpu(device))
