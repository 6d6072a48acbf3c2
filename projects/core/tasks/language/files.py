"""Texts of one's own: plain text, parallel files, folders of classes.

Files are UTF-8, with or without a byte order mark; a line ends with LF or CRLF.
"""

import logging
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path

from mmengine.logging import print_log

from projects.core.errors import UserError, listed, one_line
from projects.core.tasks.language.corpora import (
    Corpus,
    DocumentCorpus,
    LabelledCorpus,
    PairCorpus,
    check_split,
)
from projects.registry import TASK_UTILS


def read_text(path: Path) -> str:
    """A file of text.

    Raises:
        UserError: If it is missing or no UTF-8.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror or error}') from error
    try:
        text = raw.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = 1 + error.object.count(b'\n', 0, error.start)
        byte = error.object[error.start]
        raise UserError(
            f'{path}, line {line}: the byte 0x{byte:02X} is no UTF-8; save the file '
            'as UTF-8'
        ) from error
    return text.replace('\r\n', '\n')


def lines_of(path: Path) -> list[str]:
    """Lines of a file; only LF and CRLF end one.

    Raises:
        UserError: If it is missing, empty or no UTF-8.
    """
    lines = read_text(path).removesuffix('\n').split('\n')
    if lines == ['']:
        raise UserError(f'{path} is empty')
    return lines


def text_files(folder: Path) -> list[Path]:
    """The ``*.txt`` in a folder and in those in it, sorted.

    Raises:
        UserError: If there is none.
    """
    files = sorted(folder.rglob('*.txt'))
    if not files:
        raise UserError(f'the folder {folder} holds no *.txt')
    return files


@cache  # a run reads its files several times
def _warn(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)


class FileCorpus(Corpus):
    """A corpus of files, a place for each split.

    Args:
        data_root: Folder that the places are in; the tokenizer is saved there.
        train: Place of the training split.
        val: Place of the split val; None if there is none.
        test: Place of the split test; None if there is none.
    """

    def __init__(self, data_root: str, train, val=None, test=None) -> None:
        self.data_root = data_root
        self.places = dict(train=train, val=val, test=test)
        self.description = f'the texts of {data_root}'

    def place(self, split: str):
        """Where a split is.

        Raises:
            UserError: If there is no such split.
        """
        place = self.places[check_split(split)]
        if place is None:
            raise UserError(
                f'the corpus of {self.data_root} has no split {split!r}; set '
                f'corpus.{split}'
            )
        return place


@TASK_UTILS.register_module()
class TextFiles(FileCorpus, DocumentCorpus):
    """Documents: a file, or the ``*.txt`` of a folder.

    Files as WikiText's ``wiki.train.raw`` are read as they are, each as one document.
    An empty document of a folder is left out, with a warning.

    Args:
        data_root: Folder that the places are in; the tokenizer is saved there.
        train: File or folder of the training split.
        val: Alike, or None.
        test: Alike, or None.
    """

    def documents(self, split: str) -> list[tuple[str, str]]:
        path = Path(self.data_root, self.place(split))
        if not path.is_dir():
            texts = [(path.name, read_text(path))]
        else:
            texts = [
                (file.relative_to(path).as_posix(), read_text(file))
                for file in text_files(path)
            ]
        documents = [(name, text) for name, text in texts if text]
        if not documents:
            raise UserError(f'{path} is empty')
        if len(documents) < len(texts):
            empty = [name for name, text in texts if not text]
            _warn(f'{path}: {len(empty)} empty files are left out: {listed(empty)}')
        return documents


@TASK_UTILS.register_module()
class ParallelFiles(FileCorpus, PairCorpus):
    """Two files with a sentence a line, the n-th of one beside the n-th of the other.

    Pairs of which a line is blank are left out, with a warning.

    Args:
        data_root: Folder that the files are in; the tokenizer is saved there.
        train: Source and target file of the training split, as ``('train.de',
            'train.en')``.
        val: Alike, or None.
        test: Alike, or None.
    """

    def place(self, split: str) -> Sequence[str]:
        place = super().place(split)
        if isinstance(place, str) or len(place) != 2:
            raise UserError(
                f'corpus.{split}: a source and a target file, as '
                f"('{split}.de', '{split}.en'), not {place!r}"
            )
        return place

    def pairs(self, split: str) -> list[tuple[str, str]]:
        paths = [Path(self.data_root, name) for name in self.place(split)]
        sources, targets = map(lines_of, paths)
        if len(sources) != len(targets):
            both = sorted(zip((sources, targets), paths, strict=True), key=_num_lines)
            (short, ended), (long, other) = both
            raise UserError(
                f'{paths[0]} has {len(sources)} lines and {paths[1]} {len(targets)}: '
                f'{ended.name} ends after line {len(short)}, where {other.name} goes '
                f'on with {one_line(long[len(short)], 60)!r}'
            )
        pairs = [
            (source, target)
            for source, target in zip(sources, targets, strict=True)
            if source.strip() and target.strip()
        ]
        if not pairs:
            raise UserError(f'{paths[0]} and {paths[1]} hold blank lines alone')
        if num := len(sources) - len(pairs):
            first = next(
                i
                for i, pair in enumerate(zip(sources, targets, strict=True), 1)
                if not all(map(str.strip, pair))
            )
            _warn(
                f'{paths[0]} and {paths[1]}: {num} pairs with a blank line are left '
                f'out, the first is line {first}'
            )
        return pairs


def _num_lines(file: tuple[list[str], Path]) -> int:
    return len(file[0])


@TASK_UTILS.register_module()
class TextFolders(FileCorpus, LabelledCorpus):
    """Texts by class: in the folder of a split a folder for each class, of ``*.txt``.

    Args:
        data_root: Folder that those of the splits are in; the tokenizer is saved there.
        train: Folder of the training split.
        val: Alike, or None.
        test: Alike, or None.
        classes: Folders to read, in this order; all of ``train``, sorted, where None.
    """

    def __init__(
        self,
        data_root: str,
        train: str = 'train',
        val: str | None = None,
        test: str | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        super().__init__(data_root, train, val, test)
        self._chosen = None if classes is None else tuple(classes)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return self._folders('train') if self._chosen is None else self._chosen

    def _folders(self, split: str) -> tuple[str, ...]:
        folder = Path(self.data_root, self.place(split))
        if not folder.is_dir():
            raise UserError(f'there is no folder {folder}')
        names = tuple(sorted(f.name for f in folder.iterdir() if f.is_dir()))
        if not names:
            raise UserError(f'the folder {folder} holds no folder of a class')
        return names

    def labelled(self, split: str) -> list[tuple[str, int]]:
        folder = Path(self.data_root, self.place(split))
        found = self._folders(split)
        missing = [name for name in self.classes if name not in found]
        more = [name for name in found if name not in self.classes]
        if missing or (more and self._chosen is None):
            what = [f'lacks {listed(missing)}'] if missing else []
            what += [f'has also {listed(more)}'] if more and not self._chosen else []
            raise UserError(
                f'{folder}: the classes are {listed(self.classes)}, but it '
                + ' and '.join(what)
            )
        return [
            (read_text(file), label)
            for label, name in enumerate(self.classes)
            for file in text_files(folder / name)
        ]
