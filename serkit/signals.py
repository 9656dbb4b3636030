"""Signals, as far as the system has them."""

import signal
import threading

USR1 = getattr(signal, "SIGUSR1", None)  # Windows has none


def in_main() -> bool:
    """Whether this is the thread that may say what signals do."""
    return threading.current_thread() is threading.main_thread()
