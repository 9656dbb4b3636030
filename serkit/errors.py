"""The errors a user can cause, shown as text: what was given, what was expected and what to do next."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from serkit.words import printable


class SerkitError(Exception):
    """Base of every error that bad input causes."""

    def __str__(self) -> str:
        return printable(super().__str__())  # names in it cannot steer the terminal


class SpecError(SerkitError, ValueError):
    """A run, recipe or study asks for something that cannot be (unknown key, rate outside 0..100, ...)."""


class CorpusMissing(SerkitError):
    """No folder that looks like the corpus was found. Cases skip on this one."""


class CorpusUnfit(SerkitError):
    """The corpus is there but cannot be used as it is (lfs pointers, unknown label, clips without audio)."""


class AudioError(SerkitError):
    """One or more clips cannot be read as audio."""

    def __init__(self, message: str, kind: str = "", why: str = "") -> None:
        """Names the clips; of a single one, `kind` is of `serkit.audio.CURES`, `why` says what is wrong."""
        super().__init__(message)
        self.kind, self.why = kind, why


class PredictionsUnfit(SerkitError):
    """Probabilities made elsewhere cannot be imported as they are (clips missing, no probabilities, ...)."""


class WeightsMissing(SerkitError):
    """A pretrained checkpoint is needed and not in its place, or is not the published file."""


class ResultsUnwritable(SerkitError):
    """The results folder cannot be written."""


class ResultsUnreadable(SerkitError):
    """Results are not there, damaged, incomplete, or written by a newer serkit."""


class ResultDamaged(ResultsUnreadable):
    """A stored result is no result: another attempt may take its place."""


class ExtraMissing(SerkitError):
    """A package that only some commands need is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        """Names the package, and the extra of serkit that brings it."""
        super().__init__(f"{package} is needed and not installed; run: pip install 'serkit[{extra}]'")


class OutOfMemory(SerkitError):
    """Memory, of the machine or of the GPU, does not suffice for what was asked."""


NO_MEMORY = (
    "allocate memory",  # the system, torch
    "out of memory",  # CUDA
    "not enough memory",
    "bad_alloc",
    "failed to map segment",  # the system's loader, of a library
    "could not create a primitive",  # oneDNN, in a convolution
)
"""How libraries that raise no MemoryError say that there was none."""


@contextmanager
def memory_named() -> Iterator[None]:
    """Raises OutOfMemory, with one message, in place of whatever a library raises where memory ran out.

    What the failed work held is let go for what comes next: a report of the failure, another case.
    """
    try:
        yield
        return
    except Exception as error:
        memory = isinstance(error, MemoryError) or any(words in str(error).lower() for words in NO_MEMORY)
        if isinstance(error, SerkitError) or not memory:
            raise
        said = str(error).strip().partition("\n")[0]
        traceback.clear_frames(error.__traceback__)
    less = "a smaller recipe.batch_size, recipe.max_seconds or model.width takes less"
    why = f"not enough memory{f' ({said})' * bool(said)}"
    raise OutOfMemory(f"{why}; {less}, and so do fewer workers{_limit()}")


def _limit() -> str:
    """What the system lets this process have, where that is less than there is."""
    with suppress(ImportError):  # Windows
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            return f"; ulimit -v allows this process {limit / 1e6:,.0f} MB"
    return ""
