"""SIGTERM, by which a scheduler asks a job to stop, in the processes of a run."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STATUS = 128 + signal.SIGTERM  # as a shell reports a process that SIGTERM ended

_stop = threading.Event()


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Note SIGTERM instead of dying of it, where this is the main thread."""
    _stop.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: _stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def is_stop_asked() -> bool:
    """Whether SIGTERM came since :func:`stop_on_sigterm` was entered."""
    return _stop.is_set()


def obey_parent_alone() -> None:
    """Let SIGTERM end this data loader's worker only if its parent sent it.

    A scheduler sends it to all processes of a job; the parent needs its workers to
    finish the step, and ends them itself.
    """
    if not hasattr(signal, 'sigwaitinfo'):  # macOS
        return

    def wait() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
            pass
        os._exit(0)

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=wait, daemon=True).start()
