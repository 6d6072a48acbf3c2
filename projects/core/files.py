"""Results on disk: whole or absent, and in no place where something else is.

Beside what a tool writes stands a journal, ``.mmatlas.sha256``, in the format of
``sha256sum``. A file is replaced only if the journal has a line for its name and
its present content: the tools made it, and nobody has changed it since. A line is
written before the file appears under its name, so that after a kill at any moment
what is there, old or new, is still known for the tools' own.
"""

import errno
import hashlib
import os
import os.path as osp
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import BinaryIO

from projects.core.errors import UserError

JOURNAL = '.mmatlas.sha256'


def make_folder(path: str, option: str = '--work-dir') -> None:
    """Make the folder of an option and see whether it can be written to.

    Raises:
        UserError: If not.
    """
    with _explained(path, option, 'another folder'):
        os.makedirs(path, exist_ok=True)
    check_folder(path, option)


def check_folder(path: str, option: str) -> None:
    """See whether files can be written to a folder, or it can be made.

    Raises:
        UserError: If not.
    """
    with _explained(path, option, 'another folder'):
        existing = osp.abspath(path)
        while not _is_there(existing):
            existing = osp.dirname(existing)
        with tempfile.TemporaryFile(dir=existing):
            pass


def check_outputs(paths: Iterable[str], option: str) -> None:
    """See whether files can be written, before the work of which they tell.

    Args:
        paths: The files, which need not be there, nor their folders.
        option: Where the user said so.

    Raises:
        UserError: If one cannot be written, or would replace what is not the
            tools' own.
    """
    folders = set()
    for path in paths:
        folder = osp.dirname(path) or '.'
        if folder not in folders:
            folders.add(folder)
            check_folder(folder, option)
        _refuse_foreign(path, option)


@contextmanager
def output_file(path: str, option: str) -> Iterator[BinaryIO]:
    """A file to write a result to, which appears under its name when it is whole.

    A kill may leave what was written so far as ``.mmatlas.*.partial``.

    Args:
        path: The file; its folder is made.
        option: Where the user said so.

    Raises:
        UserError: If it cannot be written, or would replace what is not the
            tools' own. Nothing is left of it then.
    """
    folder, name = osp.split(osp.abspath(path))
    # unique among the processes and hosts that write to the folder
    partial = osp.join(folder, f'.mmatlas.{uuid.uuid4().hex}.partial')
    with _explained(path, option, 'another place'):
        os.makedirs(folder, exist_ok=True)
        _refuse_foreign(path, option)
        try:
            with open(partial, 'xb') as file:
                yield file
            _journal(folder).add(_entry(_sha256(partial), name))
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial)
            raise


def write_text(path: str, text: str, option: str) -> None:
    """Write a text, see :func:`output_file`."""
    with output_file(path, option) as file:
        file.write(text.encode('utf-8', 'backslashreplace'))


@contextmanager
def _explained(path: str, option: str, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f'{path} cannot be written to: {error.strerror or error}; '
            f'choose {what} with {option}'
        ) from error


def _is_there(path: str) -> bool:
    """Whether a name is taken; what else is wrong with it is raised."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _refuse_foreign(path: str, option: str) -> None:
    with _explained(path, option, 'another place'):
        if not _is_there(path):
            return
    if osp.islink(path):
        reason = 'is a link to another file'
    elif not osp.isfile(path):
        reason = 'is no file'
    else:
        folder, name = osp.split(osp.abspath(path))
        try:
            if _entry(_sha256(path), name) in _journal(folder):
                return
        except OSError:  # not to be read: whatever it is, it stays
            pass
        reason = 'was not made by this tool, or was changed since'
    raise UserError(
        f'{path} is there already and {reason}; it is not replaced. Move it away, '
        f'or choose another place with {option}'
    )


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _entry(sha256: str, name: str) -> bytes:
    """A line as sha256sum writes it, which escapes what would break the line."""
    escaped = name.replace('\\', '\\\\').replace('\n', '\\n').replace('\r', '\\r')
    mark = '' if escaped == name else '\\'
    return os.fsencode(f'{mark}{sha256}  {escaped}')


class _Journal:
    """What the tools have written to a folder, by this process and by others.

    Args:
        folder: Its journal need not be there.
    """

    def __init__(self, folder: str) -> None:
        self.path = osp.join(folder, JOURNAL)
        self._lines: set[bytes] = set()
        self._size = 0  # of what is in there

    def __contains__(self, line: bytes) -> bool:
        if line not in self._lines:
            self._read_on()
        return line in self._lines

    def _read_on(self) -> None:
        """Lines that were added since; of a journal made anew all."""
        with suppress(FileNotFoundError), open(self.path, 'rb') as file:
            if os.fstat(file.fileno()).st_size < self._size:
                self._lines, self._size = set(), 0
            file.seek(self._size)
            # a line that is being written is left for the next time
            new = file.read().rpartition(b'\n')
            self._lines.update(new[0].split(b'\n'))
            self._size += len(new[0]) + len(new[1])

    def add(self, line: bytes) -> None:
        # not through a link, and in one piece, other processes write here as well
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, 'O_NOFOLLOW', 0)
        file = os.open(self.path, flags, 0o666)
        try:
            size = os.fstat(file).st_size
            # a full disk may have cut off the last line
            torn = size and os.pread(file, 1, size - 1) != b'\n'
            entry = (b'\n' if torn else b'') + line + b'\n'
            if os.write(file, entry) < len(entry):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)


_journal = cache(_Journal)
