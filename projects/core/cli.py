"""What the tools share: an error of the user ends in one message."""

import importlib
import os
import sys
from collections.abc import Callable

from projects.core.errors import UserError


def message_of(error: UserError) -> str:
    """The message, also of an error that a data loader's worker passed on.

    torch puts the worker's traceback before it, as part of the message.
    """
    text = str(error)
    if 'Original Traceback' in text:
        text = text.rpartition(f'{UserError.__name__}: ')[2].rstrip()
    return text


def run_tool(function: Callable | str, *args, **kwargs) -> None:
    """Call ``function``; on a :class:`UserError` print it alone and exit 1.

    ``MMATLAS_DEBUG=1`` in the environment shows the traceback as well.

    Args:
        function: What to call, or ``'module:name'`` to import it first: so
            that Ctrl-C ends in one line during the imports, too.
        *args: Arguments of the function.
        **kwargs: The same, by name.
    """
    try:
        if isinstance(function, str):
            module, _, name = function.partition(':')
            function = getattr(importlib.import_module(module), name)
        function(*args, **kwargs)
    except UserError as error:
        if os.environ.get('MMATLAS_DEBUG') == '1':
            raise
        rank = os.environ.get('RANK')
        where = f'rank {rank}: ' if rank not in (None, '0') else ''
        sys.stdout.flush()
        sys.stderr.write(f'{where}error: {message_of(error)}\n')
        sys.stderr.flush()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stdout.flush()
        sys.stderr.write('\ninterrupted\n')
        sys.exit(130)
