"""Checks of classification data that run before a training or a test begins.

What mmpretrain does with a flaw is stated as its datasets do it. In a folder
of classes the label of an image is the place of its folder among the sorted
names of all folders there; a list of images names the label itself.

Legend: K classes, labels in [0, K).
"""

import math
import os
import os.path as osp

from projects.core.config.walk import walk
from projects.core.datasets.files import (
    SPLITS,
    class_list,
    dataset_class,
    files_in,
    inner_datasets,
    is_remote,
    what_is_there,
)
from projects.core.errors import UserError, listed

KINDS = ('MNIST', 'CIFAR10', 'CustomDataset')  # and what descends from them
HOMES = {
    'MNIST': 'http://yann.lecun.com/exdb/mnist/',
    'FashionMNIST': 'https://github.com/zalandoresearch/fashion-mnist',
    'CIFAR10': 'https://www.cs.toronto.edu/~kriz/cifar.html',
    'CIFAR100': 'https://www.cs.toronto.edu/~kriz/cifar.html',
    'ImageNet': 'https://www.image-net.org/download.php',
}
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')


def check_classification_data(cfg) -> list[str]:
    """Check the data of a config as far as mmpretrain's datasets read them.

    Files of MNIST, Fashion-MNIST and CIFAR must be there and whole; of images
    in folders or lists the names are read, the images are not opened. Other
    datasets are compared with the head's number of classes alone.

    Args:
        cfg: MMEngine Config of a run, of which ``train_dataloader``,
            ``val_dataloader`` and ``test_dataloader`` are checked as far as
            they are there.

    Returns:
        list: Notices of flaws with which a run is possible.

    Raises:
        UserError: At the first flaw with which it is not, or not correct.
    """
    notices, seen = [], []
    folders: dict[str, set[str]] = {}  # listings
    trees: dict[str, list[str]] = {}  # class folders by their parent
    for split in SPLITS:
        loader = cfg.get(f'{split}_dataloader')
        if not isinstance(loader, dict):
            continue
        for dataset in inner_datasets(loader.get('dataset')):
            settings = {k: v for k, v in dataset.items() if k != 'pipeline'}
            if settings in seen:  # test data are often the validation data
                continue
            seen.append(settings)
            class_ = dataset_class(dataset.get('type'), cfg.get('default_scope'))
            ancestors = [base.__name__ for base in getattr(class_, '__mro__', ())]
            kind = next((k for k in KINDS if k in ancestors), None)
            classes = _classes(dataset, class_, split)
            if kind in ('MNIST', 'CIFAR10'):
                _check_published(dataset, class_, kind, split)
            elif kind == 'CustomDataset':
                found, classes = _check_images(
                    dataset, class_.__name__, classes, split, folders, trees
                )
                notices += found
            _check_num_classes(cfg, classes, split)
    return notices


def _classes(dataset: dict, class_: type | None, split: str) -> list[str]:
    """Classes that the config or the dataset's class states, in order."""
    meta = getattr(class_, 'METAINFO', None) or {}
    classes = (
        (dataset.get('metainfo') or {}).get('classes')
        or dataset.get('classes')
        or meta.get('classes')
        or []
    )
    return class_list(classes, split)


def _check_num_classes(cfg, classes: list[str], split: str) -> None:
    model = cfg.get('model') or {}
    for part in ('head', 'data_preprocessor'):  # which mixes labels, too
        for path, _, key, value in walk(model.get(part), f'model.{part}'):
            if key != 'num_classes':
                continue
            if classes and value not in (None, len(classes)):
                raise UserError(
                    f'{path} is {value}, but the data of {split}_dataloader '
                    f'have {len(classes)} classes ({listed(classes)}): set '
                    f'{path}={len(classes)}'
                )


def _check_published(dataset: dict, class_: type, kind: str, split: str) -> None:
    """The files of MNIST, CIFAR and their like: present, unpacked, whole."""
    name, home = class_.__name__, HOMES.get(class_.__name__)
    part = dataset.get('split', 'train')
    if kind == 'MNIST' and (part == 'test') != dataset.get('test_mode', False):
        raise UserError(
            f'{split}_dataloader: {name} chooses its files by test_mode, '
            f'which contradicts split={part!r}; set test_mode='
            f'{part == "test"}'
        )
    root = osp.join(dataset.get('data_root') or '', dataset.get('data_prefix') or '')
    if dataset.get('download') or is_remote(dataset, dict(root=root)):
        return
    # the published names are those of the packed files of MNIST
    sums = {
        file.removesuffix('.gz'): md5
        for file, md5 in class_.train_list + class_.test_list
    }
    folder = osp.abspath(osp.join(root, getattr(class_, 'base_folder', '')))
    missing = [f for f in sums if not osp.isfile(osp.join(folder, f))]
    if missing:
        archive = osp.join(osp.abspath(root), getattr(class_, 'filename', ''))
        if osp.isfile(osp.join(folder, f'{missing[0]}.gz')):
            hint = f'they are packed: gunzip {folder}/*.gz'
        elif osp.isfile(archive):
            hint = f'unpack it: tar -xzf {archive} -C {osp.dirname(archive)}'
        else:
            hint = (
                f'{what_is_there(folder, missing[0])}. Nothing is '
                'downloaded: get them'
                + (f' from {home}' if home else '')
                + ' and unpack them there, or set data_root'
            )
        raise UserError(
            f'{split}_dataloader: {len(missing)} of the {len(sums)} files of '
            f'{name} are missing in {folder} '
            f'(data_root={dataset.get("data_root")!r}): '
            f'{", ".join(missing)}'
            + (f'; expected are {", ".join(sums)}' if len(missing) < len(sums) else '')
            + f'. {hint}'
        )
    for file, md5 in sums.items():
        path = osp.join(folder, file)
        if _is_damaged(path, md5, kind):
            raise UserError(
                f'{path} is cut short or changed; unpack it again'
                + (f', see {home}' if home else '')
            )


def _is_damaged(path: str, md5: str | None, kind: str) -> bool:
    if kind == 'CIFAR10':
        from mmpretrain.datasets.utils import check_md5

        return md5 is not None and not check_md5(path, md5)
    # sums of MNIST are of the packed files; an unpacked one begins with two
    # zeros, type, number of axes, and the length of each axis
    with open(path, 'rb') as file:
        start = file.read(4).ljust(4, b'\0')
        axes = file.read(4 * start[3])
    lengths = [
        int.from_bytes(axes[i : i + 4], 'big') for i in range(0, 4 * start[3], 4)
    ]
    return not lengths or (
        osp.getsize(path) != 4 + 4 * len(lengths) + math.prod(lengths)
    )


def _check_images(
    dataset: dict,
    name: str,
    classes: list[str],
    split: str,
    folders: dict[str, set[str]],
    trees: dict[str, list[str]],
) -> tuple[list[str], list[str]]:
    """Notices, and the classes, of images in folders or in a list."""
    root, part = dataset.get('data_root') or '', dataset.get('split', '')
    prefix = dataset.get('data_prefix') or ''
    if isinstance(prefix, dict):
        prefix = prefix.get('img_path') or ''
    ann_file, prefix = dataset.get('ann_file') or '', prefix or part
    if not ann_file and part and osp.isfile(osp.join(root, 'meta', f'{part}.txt')):
        ann_file = osp.join('meta', f'{part}.txt')
    folder = osp.join(root, prefix)
    if (
        is_remote(dataset, dict(root=folder))
        or part == 'test'
        or not dataset.get('with_label', True)
    ):
        return [], classes
    where = (
        f'{split}_dataloader: {name} looks in {osp.abspath(folder)} '
        f'(data_root={dataset.get("data_root")!r}, '
        f'data_prefix={prefix!r})'
    )
    layout = (
        'A folder per class holds its images, or a list, '
        f'{osp.join("meta", (part or "train") + ".txt")} with '
        f'"<file> <label>" a line, is the ann_file'
    )
    if name in HOMES:
        layout += f'. Nothing is downloaded: see {HOMES[name]}'
    if not osp.isdir(folder):
        raise UserError(f'{where}; {what_is_there(folder, "")}. {layout}')
    if ann_file:
        _check_list(osp.join(root, ann_file), folder, classes, split, folders)
        return [], classes
    names = sorted(e.name for e in os.scandir(folder) if e.is_dir())
    if not names:
        raise UserError(
            f'{where}, which holds no folder: {what_is_there(folder, "")}. {layout}'
        )
    suffixes = tuple(s.lower() for s in dataset.get('extensions', IMAGE_SUFFIXES))
    empty = [
        n
        for n in names
        if not any(
            file.lower().endswith(suffixes)
            for _, _, files in os.walk(osp.join(folder, n))
            for file in files
        )
    ]
    if len(empty) == len(names):
        raise UserError(
            f'{where}, whose folders hold no image '
            f'({", ".join(suffixes)}): {listed(names)}'
        )
    if classes and len(classes) != len(names):
        raise UserError(
            f'{where}, which holds {len(names)} folders ({listed(names)}), '
            f'but the dataset has {len(classes)} classes ({listed(classes)})'
            f'{_odd_ones(names, classes)}'
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
    notices = []
    if empty:
        notices.append(
            f'{osp.abspath(folder)}: {len(empty)} of {len(names)} folders '
            f'hold no image ({", ".join(suffixes)}), yet each is a class: '
            f'{listed(empty)}'
        )
    if sorted(classes) == names and classes != names:
        i = next(i for i, c in enumerate(classes) if c != names[i])
        notices.append(
            f"{osp.abspath(folder)}: label {i} is the folder '{names[i]}', "
            f"but '{classes[i]}' among the classes of the config, so that "
            'results will wear the wrong names; sort the classes'
        )
    return notices, classes or names


def _odd_ones(names: list[str], classes: list[str]) -> str:
    """Folders that are no class, where most are: .ipynb_checkpoints, ..."""
    odd = sorted(set(names) - set(classes))
    return f'; no class are {listed(odd)}' if len(odd) < len(names) else ''


def _check_list(
    path: str, folder: str, classes: list[str], split: str, folders: dict[str, set[str]]
) -> None:
    """A list of images: each line "<file> <label>", each file there."""
    if not osp.isfile(path):
        raise UserError(
            f'{split}_dataloader: there is no list {osp.abspath(path)}; '
            + what_is_there(osp.dirname(path), osp.basename(path))
        )
    with open(path, encoding='utf-8') as file:
        lines = file.read().splitlines()
    if not lines:
        raise UserError(f'{path} is empty; it must hold "<file> <label>" a line')
    missing = []
    for i, line in enumerate(lines, 1):
        name, _, label = line.strip().rpartition(' ')
        if not name or not label.isdigit():
            raise UserError(
                f'{path}, line {i}: {line!r} is not "<file> '
                '<label>" with a label of 0 or more'
            )
        if classes and int(label) >= len(classes):
            raise UserError(
                f'{path}, line {i}: label {label}, but there are '
                f'{len(classes)} classes, labelled from 0'
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
