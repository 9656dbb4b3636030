"""The CPU and the GPU: how arrays get there, and in which precision the network computes there.

Nothing in a training waits for the GPU between two evaluations (`tests/gpu_checks.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

BUFFERS = 3  # one is filled while one is copied and one may still be


def on_gpu(device: str | torch.device) -> bool:
    """Whether a device is a GPU."""
    return torch.device(device).type == "cuda"


def send(array: np.ndarray, device: str | torch.device) -> Tensor:
    """An array on a device, without waiting for what the device is doing.

    From ordinary memory CUDA copies the array aside before the call returns, so it may change afterwards. On
    the CPU the tensor shares the array's memory.
    """
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


def autocast(device: str | torch.device) -> torch.autocast:
    """The context the network computes in: bfloat16 where it loses nothing on a GPU, float32 on a CPU."""
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=on_gpu(device))


class PinnedCopies:
    """Copies to a GPU that go on while it computes: pinned buffers in turn, on a stream of their own."""

    def __init__(self, device: str) -> None:
        """Makes the stream; buffers are made, and grow, as they are asked for."""
        self.device = device
        self._stream = torch.cuda.Stream(device)
        self._buffers = [torch.empty(0, dtype=torch.int16) for _ in range(BUFFERS)]
        self._copied = [torch.cuda.Event() for _ in range(BUFFERS)]
        self._turn = 0

    def made(self, shape: tuple[int, ...], fill: Callable[[np.ndarray], object]) -> Tensor:
        """An int16 array on the GPU; `fill` is given one of that shape on the host to put samples into."""
        turn, self._turn = self._turn, (self._turn + 1) % BUFFERS
        self._copied[turn].synchronize()  # what was copied from this buffer last: long over, but for sure
        size = int(np.prod(shape))
        if len(self._buffers[turn]) < size:
            self._buffers[turn] = torch.empty(size, dtype=torch.int16, pin_memory=True)
        buffer = self._buffers[turn][:size].view(shape)
        fill(buffer.numpy())
        with torch.cuda.stream(self._stream):
            made = buffer.to(self.device, non_blocking=True)
            self._copied[turn].record(self._stream)
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self._stream)
        made.record_stream(computing)
        return made
