"""What the tools share: an error of the user ends in one message."""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable

from projects.core.errors import UserError

# where a process of projects.core.launch leaves what it has to say at its end
ERROR_FILE = 'MMATLAS_ERROR_FILE'


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
        _end(f'error: {message_of(error)}', 1)
    except KeyboardInterrupt:
        _end('interrupted', 130)
    except BrokenPipeError:
        # `| head` has seen enough; what is still to be written would fail at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception:
        if ERROR_FILE not in os.environ:
            raise
        _end(traceback.format_exc().rstrip(), 1)


def _end(message: str, status: int) -> None:
    """Show the message, or leave it to :mod:`projects.core.launch`, and exit."""
    sys.stdout.flush()
    if file := os.environ.get(ERROR_FILE):
        # whole or absent: the launcher may end this process while it writes
        partial = f'{file}.partial'
        with open(partial, 'w', encoding='utf-8') as out:
            json.dump({'time': time.time(), 'text': message}, out)
        os.replace(partial, file)
    else:
        rank = os.environ.get('RANK')
        where = f'rank {rank}: ' if rank not in (None, '0') else ''
        # Ctrl-C leaves its sign on the line
        newline = '\n' if message == 'interrupted' else ''
        sys.stderr.write(f'{newline}{where}{message}\n')
        sys.stderr.flush()
    sys.exit(status)
