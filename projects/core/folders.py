"""Folders that are made once on a machine, and are whole or absent."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from mmengine.logging import print_log


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock of the makers of ``root``; it ends with the process."""
    lock = FileLock(root.with_name(f'.{root.name}.lock'))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print_log(f'waiting for another process that makes {root}', 'current')
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def appearing(root: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``root`` at the end; the lock is held."""
    # One fixed name is enough under the lock, and what is left of a killed
    # process is found by it.
    part = root.with_name(f'.{root.name}.part')
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        part.replace(root)  # an empty folder may be there, nothing else
    except BaseException:  # also Ctrl-C
        shutil.rmtree(part, ignore_errors=True)
        raise
