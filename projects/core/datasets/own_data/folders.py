"""Images in a folder for each class, in folders for training and validation."""

import os
import os.path as osp
import re
from typing import NamedTuple

from projects.core.datasets.decoding import IMAGE_SUFFIXES
from projects.core.datasets.own_data.places import WORDS, entries_below, there
from projects.core.errors import UserError

DEPTH = 8  # folders below that of a class


class ClassFolders(NamedTuple):
    """A folder below ``data_root`` ('' for itself), its classes, by name, the number
    of images of each, and whether there are hidden folders, which are none."""

    folder: str
    images: dict[str, int]
    has_hidden: bool


def wanted(split: str) -> str:
    """What is looked for of a split, in words."""
    return ', '.join(f'{word}/<class>/*' for word in WORDS[split])


def find_folders(root: str, split: str, img: str | None) -> ClassFolders | None:
    """The folders of a split's classes.

    Args:
        root: ``data_root``.
        split: 'train', 'val' or 'test'.
        img: The folder of the split, where the config says so.

    Returns:
        ClassFolders: None if there are none, and ``img`` is None.

    Raises:
        UserError: If ``img`` is no folder.
    """
    if img is not None:
        if not osp.isdir(osp.join(root, img)):
            raise UserError(
                f"{split}='{img}' in the config: there is no folder "
                f'{osp.join(root, img)}; {there(root)}'
            )
        return _look_into(root, img)
    _, folders, _ = next(entries_below(root, 0))
    for folder in ['', *folders]:
        inside = next(iter(entries_below(osp.join(root, folder), 0)), (0, []))[1]
        for word in WORDS[split]:
            # train, Train, or images/train
            for name in folders if not folder else inside:
                if name.lower() == word:
                    found = _look_into(root, osp.join(folder, name))
                    if any(found.images.values()):
                        return found
    words = '|'.join(word for names in WORDS.values() for word in names)
    if split == 'train' and not any(re.match(words, f.lower()) for f in folders):
        found = _look_into(root, '')  # the classes themselves
        if sum(num > 0 for num in found.images.values()) > 1:
            return found
    return None


def _look_into(root: str, folder: str) -> ClassFolders:
    path = osp.join(root, folder)
    _, classes, _ = next(entries_below(path, 0))
    return ClassFolders(
        folder,
        {name: num_images(osp.join(path, name)) for name in classes},
        any(e.name.startswith('.') and e.is_dir() for e in os.scandir(path)),
    )


def num_images(folder: str) -> int:
    """Images in a folder and those below."""
    return sum(
        name.lower().endswith(IMAGE_SUFFIXES)
        for _, _, names in entries_below(folder, DEPTH)
        for name in names
    )


def is_imagenet(root: str) -> bool:
    """Whether ImageNet lies in a folder: classes named by WordNet, or its lists."""
    if osp.isfile(osp.join(root, 'meta', 'train.txt')):
        return True
    _, folders, _ = next(iter(entries_below(osp.join(root, 'train'), 0)), ('', [], []))
    return len(folders) == 1000 and all(re.fullmatch(r'n\d{8}', f) for f in folders)
