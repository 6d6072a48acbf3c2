"""Data sets in a config, and the files and folders that they name."""

import os
import os.path as osp
from collections.abc import Iterator

from projects.core.errors import UserError, listed
from projects.registry import DATASETS

SPLITS = ('train', 'val', 'test')


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


def class_list(classes, split: str) -> list[str]:
    """Classes as a config states them, a string being the name of a file.

    Raises:
        UserError: If there is no such file.
    """
    if isinstance(classes, str):  # for MMEngine a file of one class per line
        if not osp.isfile(classes):
            raise UserError(
                f'the classes of {split}_dataloader are the string '
                f'{classes!r}, which MMEngine takes for the name of a file; '
                f'for a single class write classes=({classes!r}, )'
            )
        with open(classes, encoding='utf-8') as file:
            classes = file.read().splitlines()
    return list(classes)


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
    """Names in a folder, listed once: a stat per image takes far longer."""
    if folder not in folders:
        folders[folder] = (
            set(os.listdir(folder or '.')) if osp.isdir(folder or '.') else set()
        )
    return folders[folder]


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
    return sorted(n for n in os.listdir(folder) if not n.startswith('.'))
