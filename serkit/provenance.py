"""Where and when a result was made: versions, device, threads, git commit, times. None of it is in a key."""

import functools
import importlib.metadata
import os
import platform
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from serkit.later import Later

torch = Later("torch")
PACKAGES = (
    *("torch", "torchaudio", "numpy", "scipy", "scikit-learn", "pandas"),
    *("pedalboard", "soundfile", "soxr", "panns-inference"),
)
ESTIMATORS = ("onnxruntime", "speechmos", "librosa")
"""Packages that a measurement needs besides."""


def environment(device: str, packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """What a result says of the machine and the code that made it."""
    return {
        "python": platform.python_version(),
        "serkit": importlib.metadata.version("serkit"),
        "packages": {package: _version(package) for package in packages},
        "system": f"{platform.system()} {platform.machine()}",
        "device": device.split(":")[0],
        "device_name": torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(),
    }


@functools.cache
def _version(package: str) -> str:
    """Looked up once: ten packages' metadata take 20 ms a run, and a process imports each once."""
    return importlib.metadata.version(package)


def cpu_name() -> str:
    """The processor's model, or at least its architecture."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@functools.cache
def git_commit() -> str | None:
    """The commit the code was at, with `+` where files were changed since; None outside a checkout."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--exclude=*", "--abbrev=12"]
    try:
        said = subprocess.run([*git, "--dirty=+"], capture_output=True, encoding="utf-8", check=True)
        return said.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def since(started: float) -> dict[str, Any]:
    """What a result says of its time, from its start in seconds since 1970 until now."""
    now = time.time()
    first, last = (time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at)) for at in (started, now))
    return {"started": first, "finished": last, "wall_seconds": round(now - started, 2)}
