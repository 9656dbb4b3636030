"""Memory that does not suffice is one message, whoever says so, and what the failed work held is let go."""

import sys
import weakref

import numpy as np
import pytest

from serkit.errors import CorpusUnfit, OutOfMemory, memory_named


class Large:
    """Stands for what fills the memory."""


def fails_with(error, held):
    large = Large()
    held.append(weakref.ref(large))
    raise error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.\nSee documentation"),
        RuntimeError("could not create a primitive"),
        OSError(12, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
)
def test_no_memory_is_one_message_and_lets_go_of_what_was_held(error):
    held = []
    with pytest.raises(OutOfMemory, match=r"^not enough memory.*recipe\.batch_size.*fewer workers") as raised:
        with memory_named():
            fails_with(error, held)
    assert "\n" not in str(raised.value)
    assert held[0]() is None


@pytest.mark.parametrize(
    "error", [ValueError("two"), RuntimeError("shapes"), CorpusUnfit("out of memory"), KeyError(1)]
)
def test_other_errors_are_handed_on(error):
    with pytest.raises(type(error)) as raised, memory_named():
        raise error
    assert raised.value is error


def test_what_is_too_large_for_this_machine_and_its_limit_is_said():
    with pytest.raises(OutOfMemory, match=r"Unable to allocate .* EiB"), memory_named():
        np.zeros(1 << 57, dtype=np.int64)
    if sys.platform.startswith("linux"):
        import resource

        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (before[1] if before[1] > 0 else 1 << 46, before[1]))
        try:
            with pytest.raises(OutOfMemory, match=r"ulimit -v allows this process [\d,]+ MB"), memory_named():
                raise MemoryError
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
