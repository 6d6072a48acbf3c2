"""What a full disk looks like, and what it may not end."""

import errno
import functools
import logging
from collections.abc import Callable

from mmengine.logging import print_log

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_disk_full(error: Exception) -> bool:
    """Whether a file could not be written for lack of space, quota or limit."""
    if isinstance(error, OSError):
        return error.errno in FULL
    # torch's writer passes on no reason
    return isinstance(error, RuntimeError) and 'PytorchStreamWriter' in str(error)


def spared_by_full_disk(function: Callable, what: str) -> Callable:
    """``function``, which on a full disk warns once that ``what`` is not written."""
    warned = False

    @functools.wraps(function)
    def call(*args, **kwargs):
        nonlocal warned
        try:
            return function(*args, **kwargs)
        except OSError as error:
            if not is_disk_full(error):
                raise
            if not warned:
                warned = True
                print_log(
                    f'{what} cannot be written: {error.strerror}',
                    'current',
                    logging.WARNING,
                )

    return call
