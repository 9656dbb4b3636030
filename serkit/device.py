"""The CPU and the GPU: how arrays get there, and in which precision the network computes there.

Devices are named as PyTorch names them: `cpu`, `cuda`, `cuda:<n>`. Nothing here, and nothing in a training
between two evaluations, waits for the GPU (`tests/gpu_checks.py`): the host stays ahead of it.
"""

from __future__ import annotations

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


def autocast(device: str | torch.device, bf16: bool) -> torch.autocast:
    """The context the network computes in: bfloat16 where it loses nothing, or float32 throughout."""
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=bf16)
