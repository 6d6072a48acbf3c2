"""Checks of images in a folder for each class, or in a list with labels.

Legend: K classes, labels in [0, K).
"""

import os.path as osp
import re
from collections import Counter

from projects.core.datasets.files import (
    CONTROL,
    entries,
    files_in,
    is_folder,
    is_remote,
    read_lines,
    what_is_there,
)
from projects.core.errors import UserError, listed

# mmpretrain's, where a dataset names none
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')
CHOICE = 'ChosenFolders'  # takes the folders that are its classes, in their order
PARTS = {'train', 'training', 'val', 'valid', 'validation', 'test'}


def check_images(
    dataset: dict,
    name: str,
    classes: list[str],
    split: str,
    home: str | None,
    num_outputs: int | None,
    folders: dict[str, set[str]],
    trees: dict[str, list[str]],
) -> tuple[list[str], list[str]]:
    """Check images in folders or in a list.

    Args:
        dataset: Of the config, of mmpretrain's CustomDataset or its like.
        name: Of its class.
        classes: Those that are stated, none where the folders are the classes.
        split: 'train', 'val' or 'test'.
        home: Where the data set is published.
        num_outputs: Classes of the model's head, as far as known.
        folders: Listings so far.
        trees: Class folders by their parent, so far.

    Returns:
        tuple: Notices, and the classes.

    Raises:
        UserError: At the first flaw with which a run is impossible or wrong.
    """
    root, part = dataset.get('data_root') or '', dataset.get('split', '')
    prefix = dataset.get('data_prefix') or ''
    if isinstance(prefix, dict):
        prefix = prefix.get('img_path') or ''
    ann_file = dataset.get('ann_file') or ''
    for key, path in (
        ('data_root', root),
        ('data_prefix', prefix),
        ('ann_file', ann_file),
    ):
        if not isinstance(path, str):
            raise UserError(
                f'{split}_dataloader.dataset.{key} is {path!r}; it must be a path, '
                'as text'
            )
    prefix = prefix or part
    if not ann_file and part and osp.isfile(osp.join(root, 'meta', f'{part}.txt')):
        ann_file = osp.join('meta', f'{part}.txt')
    folder = osp.join(root, prefix)
    if is_remote(dataset, dict(root=folder)) or part == 'test':
        return [], classes
    where = (
        f'{split}_dataloader: {name} looks in {osp.abspath(folder)} '
        f'(data_root={dataset.get("data_root")!r}, '
        f'data_prefix={prefix!r})'
    )
    if not dataset.get('with_label', True):
        if not osp.isdir(folder):
            raise UserError(f'{where}; {what_is_there(folder, "")}')
        suffixes = _suffixes_of(dataset)
        if not any(f.endswith(suffixes) for f in _files_below(folder)):
            raise UserError(
                f'{where}, which holds no image ({", ".join(suffixes)}): '
                f'{what_is_there(folder, "")}'
            )
        return [], classes
    layout = (
        'A folder per class holds its images, or a list, '
        f'{osp.join("meta", (part or "train") + ".txt")} with '
        f'"<file> <label>" a line, is the ann_file'
    )
    if home:
        layout += f'. Nothing is downloaded: see {home}'
    if not osp.isdir(folder):
        raise UserError(f'{where}; {what_is_there(folder, "")}. {layout}')
    if ann_file:
        notices = _check_list(
            osp.join(root, ann_file),
            folder,
            len(classes) or num_outputs,
            split,
            folders,
        )
        return notices, classes
    names = sorted(e.name for e in entries(folder) if is_folder(e))
    if not names:
        raise UserError(
            f'{where}, which holds no folder: {what_is_there(folder, "")}. {layout}'
        )
    is_choice = name == CHOICE
    if is_choice:
        names = [n for n in names if n in classes]
    suffixes = _suffixes_of(dataset)
    files = {n: list(_files_below(osp.join(folder, n))) for n in names}
    empty = [n for n in names if not any(f.endswith(suffixes) for f in files[n])]
    if len(empty) == len(names):
        raise UserError(
            f'{where}, whose folders hold no image '
            f'({", ".join(suffixes)}): {listed(names)}'
        )
    if classes and len(classes) != len(names):
        odd = sorted(set(names) - set(classes))
        raise UserError(
            f'{where}, which holds {len(names)} folders ({listed(names)}), '
            f'but the dataset has {len(classes)} classes ({listed(classes)})'
            # where most are classes: .ipynb_checkpoints, ...
            + (f'; no class are {listed(odd)}' if len(odd) < len(names) else '')
            + '. Set metainfo=dict(classes=...) of the dataset to the names of the '
            "folders, in each dataloader, and the head's num_classes to their number; "
            'or restore the folders'
        )
    for other, others in trees.items():
        if others != names:
            here, there = set(names) - set(others), set(others) - set(names)
            raise UserError(
                'a label is the place of a folder among the sorted names, so '
                'that the same folders must be in both: only '
                f'{osp.abspath(other)} has {listed(sorted(there))}; only '
                f'{osp.abspath(folder)} has {listed(sorted(here))}'
            )
    trees[folder] = names
    hidden = [n for n in names if n.startswith('.')]
    if hidden and not classes:
        raise UserError(
            f'{where}, where mmpretrain takes the hidden folders {listed(hidden)} for '
            'classes, too: remove them'
        )
    stated = [] if is_choice else classes  # whose order is that of the labels
    return _folder_notices(folder, names, files, empty, suffixes, stated), (
        classes or names
    )


def _suffixes_of(dataset: dict) -> tuple[str, ...]:
    return tuple(s.lower() for s in dataset.get('extensions', IMAGE_SUFFIXES))


def _files_below(folder: str, above: tuple[str, ...] = ()) -> list[str]:
    """Names of files in a folder and those below, in lower case, as mmpretrain
    finds them: it follows links, and passes over names that begin with a dot."""
    above = (*above, osp.realpath(folder))
    names = []
    for entry in entries(folder):
        if is_folder(entry):
            if osp.realpath(entry.path) in above:
                raise UserError(f'{entry.path} is a link to a folder that it is in')
            names += _files_below(entry.path, above)
        elif not entry.name.startswith('.'):
            names.append(entry.name.lower())
    return names


def _folder_notices(
    folder: str,
    names: list[str],
    files: dict[str, list[str]],
    empty: list[str],
    suffixes: tuple[str, ...],
    classes: list[str],
) -> list[str]:
    """Notices on what the folders hold; ``files``: by folder, in lower case."""
    notices, folder = [], osp.abspath(folder)
    if empty:
        notices.append(
            f'{folder}: {len(empty)} of {len(names)} folders '
            f'hold no image ({", ".join(suffixes)}), yet each is a class: '
            f'{listed(empty)}'
        )
    others = Counter(
        osp.splitext(name)[1] or name
        for found in files.values()
        for name in found
        if not name.endswith(suffixes)
    )
    if others:
        listing = listed(f'{suffix} ({num})' for suffix, num in others.most_common())
        notices.append(
            f'{folder}: {others.total()} of {sum(map(len, files.values()))} files are '
            f'left out for their suffix: {listing}; the dataset reads '
            f'{", ".join(suffixes)}, set its extensions=(...) for more'
        )
    loose = [
        e.name
        for e in entries(folder)
        if e.name.lower().endswith(suffixes) and e.is_file()
    ]
    if loose:
        notices.append(
            f'{folder}: {len(loose)} images stand beside the folders, are of no class '
            f'and left out: {listed(sorted(loose)[:6])}'
        )
    if len(names) == 1:
        notices.append(
            f'{folder} holds a single folder, {names[0]}, so that there is a single '
            'class and nothing to learn; a folder for each class belongs there'
        )
    elif {name.lower() for name in names} <= PARTS:
        notices.append(
            f'{folder}: the folders {listed(names)} are taken for classes; set '
            f"data_prefix='{names[0]}' for what is in that one"
        )
    if sorted(classes) == names and classes != names:
        i = next(i for i, c in enumerate(classes) if c != names[i])
        notices.append(
            f"{folder}: label {i} is the folder '{names[i]}', "
            f"but '{classes[i]}' among the classes of the config, so that "
            'results will wear the wrong names; sort the classes'
        )
    return notices


def _check_list(
    path: str,
    folder: str,
    num_classes: int | None,
    split: str,
    folders: dict[str, set[str]],
) -> list[str]:
    """Notices on a list of images: each line "<file> <label>", each file there."""
    if not osp.isfile(path):
        raise UserError(
            f'{split}_dataloader: there is no list {osp.abspath(path)}; '
            + what_is_there(osp.dirname(path), osp.basename(path))
        )
    lines = read_lines(path)
    if not lines:
        raise UserError(f'{path} is empty; it must hold "<file> <label>" a line')
    missing, labels = [], set()
    for i, line in enumerate(lines, 1):
        name, _, label = line.strip().rpartition(' ')
        if (
            not name
            or not re.fullmatch('[0-9]{1,9}', label)
            or CONTROL.search(line.strip())
        ):
            raise UserError(
                f'{path}, line {i}: {line[:80]!r} is not "<file> '
                '<label>" with a label of 0 or more and a blank before it'
            )
        labels.add(int(label))
        if num_classes and int(label) >= num_classes:
            raise UserError(
                f'{path}, line {i}: label {label}, but there are '
                f'{num_classes} classes, labelled from 0'
            )
        parent, base = osp.split(osp.join(folder, name))
        if base not in files_in(parent, folders):
            missing.append(name)
    if missing:
        parent, base = osp.split(osp.join(folder, missing[0]))
        raise UserError(
            f'{len(missing)} of {len(lines)} images of {path} are missing in '
            f'{osp.abspath(folder)}, e.g. {missing[0]}: '
            f'{what_is_there(parent, base)}. Set data_root and data_prefix '
            'of the dataset, or restore the files'
        )
    if split == 'train' and len(labels) == 1:
        return [f'{path}: the label of each image is {labels.pop()}, nothing to learn']
    return []
