"""The text of Python's standard library: real source code that is always there."""

import hashlib
import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from projects.core.errors import UserError
from projects.core.tasks.language.corpora import SPLITS, DocumentCorpus, check_split
from projects.core.values import whole
from projects.registry import TASK_UTILS

#: folders that are no part of the library, tests of it, or tables made by a program
LEFT_OUT = {'site-packages', 'dist-packages', 'test', 'tests', 'idlelib'}
LEFT_OUT |= {'encodings', 'pydoc_data'}


@TASK_UTILS.register_module()
class SourceCorpus(DocumentCorpus):
    """The modules of the standard library of the Python that is running.

    A module, or a package with all that is in it, is of one split, by a hash of its
    name: about 90 % of them are to train on. Tests, IDLE, what programs wrote
    (``encodings``, ``pydoc_data``, ``_sysconfigdata``) and files that are no UTF-8
    are left out. Other versions of
    Python have other texts; ``description`` has the version, for reports.

    Args:
        max_bytes: Most bytes of each split, as ``dict(val=200_000)``; the last
            document is cut at the end of a line. All where a split is not named.
        data_root: Folder for the tokenizer; nothing else is saved.
        folder: Where the library is; that of the running Python where None.

    Raises:
        UserError: If a split has no text, as where the library is in a zip file.
    """

    def __init__(
        self,
        max_bytes: Mapping[str, int] | None = None,
        data_root: str = 'data/source',
        folder: str | None = None,
    ) -> None:
        self.max_bytes = dict(max_bytes or {})
        for split, most in self.max_bytes.items():
            check_split(split)
            if refusal := whole(1).refusal(most):
                raise UserError(f'max_bytes.{split}: {refusal}')
        self.folder = Path(folder or sysconfig.get_paths()['stdlib'])
        self.data_root = data_root
        self.description = f'the standard library of Python {platform.python_version()}'

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        files = {split: [] for split in SPLITS}
        for folder, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if name not in LEFT_OUT]
            for file in (Path(folder, name) for name in names):
                top = file.relative_to(self.folder).parts[0]
                if file.suffix == '.py' and not top.startswith('_sysconfigdata'):
                    files[split_of(top.removesuffix('.py'))].append(file)
        return {split: sorted(found) for split, found in files.items()}

    def documents(self, split: str) -> list[tuple[str, str]]:
        documents = []
        left = self.max_bytes.get(check_split(split), sys.maxsize)
        for file in self._files[split]:
            try:
                raw = file.read_bytes()
                raw.decode()
            except (OSError, UnicodeDecodeError):
                continue
            is_last = len(raw) >= left
            if is_last:
                raw = raw[: raw.rfind(b'\n', 0, left) + 1]
            if raw:
                name = file.relative_to(self.folder).as_posix()
                documents.append((name, raw.decode()))
            if is_last:
                break
            left -= len(raw)
        if not documents:
            raise UserError(
                f'{self.folder} holds no text of the standard library for the split '
                f'{split}; take a Python whose library is a folder of *.py files'
            )
        return documents


def split_of(name: str) -> str:
    """The split of a module of the library or of a package."""
    place = int.from_bytes(hashlib.sha256(name.encode()).digest(), 'big') % 20
    return {0: 'val', 1: 'test'}.get(place, 'train')
