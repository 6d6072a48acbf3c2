"""Data sets in a config, and the files and folders that they name."""

import codecs
import copy
import os
import os.path as osp
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from projects.core.datasets.missing_split import MISSING
from projects.core.errors import UserError, close_names, listed
from projects.registry import DATASETS

SPLITS = ('train', 'val', 'test')
# what breaks a line of a log, and what cannot be written in UTF-8
CONTROL = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')


def notices_of_splits(cfg, check: Callable[[str], list[str]]) -> list[str]:
    """Notices of ``check`` on each split; beside data for training the flaws of the
    test's are notices, too, as a training does not open them.

    Raises:
        UserError: Of ``check``, on another split.
    """
    notices = []
    for split in SPLITS:
        try:
            _check_is_there(cfg, split)
            notices += check(split)
        except UserError as error:
            if split != 'test' or not isinstance(cfg.get('train_dataloader'), dict):
                raise
            notices.append(f'a test would fail, this training does not: {error}')
    return notices


def _check_is_there(cfg, split: str) -> None:
    """Refuse a split of which nothing was found in ``data_root``, if it is used."""
    if split == 'test' and isinstance(cfg.get('train_dataloader'), dict):
        return  # of a cross-validation, which has no validation data either
    loader = cfg.get(f'{split}_dataloader') or {}
    for dataset in inner_datasets(loader.get('dataset')):
        if dataset.get('type') == MISSING:
            raise UserError(dataset['reason'])


def inner_datasets(dataset) -> Iterator[dict]:
    """Datasets inside wrappers (Repeat, Concat, ClassBalanced, ...)."""
    if isinstance(dataset, (list, tuple)):
        for item in dataset:
            yield from inner_datasets(item)
    elif isinstance(dataset, dict):
        inner = dataset.get('dataset') or dataset.get('datasets')
        if inner:
            yield from inner_datasets(inner)
        else:
            yield dataset


def different_splits(cfg) -> Iterator[tuple[str, dict]]:
    """Splits that a config has, with their loaders; without one whose data are those
    of a split before it, as test data often are the validation data."""
    seen = []
    for split in SPLITS:
        loader = cfg.get(f'{split}_dataloader')
        if not isinstance(loader, dict):
            continue
        settings = [
            {k: v for k, v in dataset.items() if k not in ('pipeline', 'test_mode')}
            for dataset in inner_datasets(copy.deepcopy(loader.get('dataset')))
        ]
        if settings not in seen:
            seen.append(settings)
            yield split, loader


def class_list(classes, where: str) -> list[str]:
    """Classes as a config states them, a string being the name of a file.

    Args:
        where: What they are of, for messages, as 'train_dataloader'.

    Raises:
        UserError: If there is no such file, or they are no names.
    """
    source = f'the classes of {where}'
    if isinstance(classes, str):  # for MMEngine a file of one class per line
        if not osp.isfile(classes):
            raise UserError(
                f'{source} are the string '
                f'{classes!r}, which MMEngine takes for the name of a file; '
                f'for a single class write classes=({classes!r}, )'
            )
        source, classes = classes, read_lines(classes)
    if not isinstance(classes, (list, tuple)):
        raise UserError(
            f"{source} are {classes!r}; write a tuple of names, such as ('cat', 'dog')"
        )
    for i, name in enumerate(classes):
        if not isinstance(name, str) or not name.strip() or CONTROL.search(name):
            raise UserError(
                f'{source}: number {i + 1} is {name!r}; it must be a name, of one line'
            )
    return list(classes)


def misspelt_classes(metainfo: dict) -> str | None:
    """Key of ``metainfo`` that seems to stand for 'classes', if there is one."""
    for key in metainfo:
        if key != 'classes' and close_names(str(key).lower(), ['classes'], 0.75):
            return key
    return None


def twice(values: Iterable) -> list:
    """Values that stand there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


def read_text(path: str, encoding: str = 'utf-8') -> str:
    """Content of a text file in UTF-8.

    Args:
        encoding: 'utf-8-sig' leaves out a byte order mark.

    Raises:
        UserError: If it cannot be read, or begins with a byte order mark, which
            the libraries take for content.
    """
    try:
        with open(path, encoding=encoding) as file:
            text = file.read()
    except UnicodeDecodeError as error:
        utf16 = error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        gzip = error.object.startswith(b'\x1f\x8b')
        raise UserError(
            f'{path} is not a text file in UTF-8: {error.reason} at byte '
            f'{error.start}'
            + ('; it is in UTF-16, save it as UTF-8' * utf16)
            + ('; it is compressed, unpack it by gunzip' * gzip)
        ) from error
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror}') from error
    if text.startswith('\ufeff'):
        raise UserError(
            f'{path} begins with a byte order mark, which the libraries take for '
            "content: save it as UTF-8 without one ('UTF-8', not 'UTF-8 with BOM')"
        )
    return text


def read_lines(path: str) -> list[str]:
    """Lines of a text file as MMEngine's ``list_from_file`` gives them.

    Raises:
        UserError: As of :func:`read_text`.
    """
    lines = read_text(path).split('\n')  # splitlines() splits at form feeds, too
    return [line.rstrip('\r') for line in (lines if lines[-1] else lines[:-1])]


def dataset_class(type_, scope: str | None) -> type | None:
    if not isinstance(type_, str):
        return type_
    if '.' not in type_ and scope:
        type_ = f'{scope}.{type_}'
    return DATASETS.get(type_)


def is_remote(dataset: dict, paths: dict[str, str]) -> bool:
    backend = (dataset.get('backend_args') or {}).get('backend', 'local')
    return backend != 'local' or any('://' in p for p in paths.values())


def files_in(folder: str, folders: dict[str, set[str]]) -> set[str]:
    """Names of the files in a folder, listed once: a stat per image takes far
    longer.

    Raises:
        UserError: If the folder cannot be read.
    """
    if folder not in folders:
        folders[folder] = (
            {e.name for e in entries(folder) if not is_folder(e)}
            if osp.isdir(folder or '.')
            else set()
        )
    return folders[folder]


def entries(folder: str) -> list[os.DirEntry]:
    """What stands in a folder.

    Raises:
        UserError: If the folder cannot be read.
    """
    try:
        return list(os.scandir(folder or '.'))
    except OSError as error:
        raise UserError(
            f'the folder {osp.abspath(folder)} cannot be read: {error.strerror}'
        ) from error


def is_folder(entry: os.DirEntry) -> bool:
    """Whether it is one, also by a link; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def what_is_there(folder: str, wanted: str) -> str:
    """What a user would look up next: is it the folder, or the name?"""
    folder = osp.abspath(folder)
    if not osp.isdir(folder):
        parent = osp.dirname(folder)
        while not osp.isdir(parent):
            parent = osp.dirname(parent)
        return f'there is no folder {folder}; {parent} holds {listed(_visible(parent))}'
    names = _visible(folder)
    stem = osp.splitext(wanted)[0].casefold()
    close = [n for n in names if osp.splitext(n)[0].casefold() == stem]
    return f'{folder} holds {listed(close or names)}'


def _visible(folder: str) -> list[str]:
    return sorted(e.name for e in entries(folder) if not e.name.startswith('.'))
