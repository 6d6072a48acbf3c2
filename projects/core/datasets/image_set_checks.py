"""Checks of published image sets and of folders of images, before a run begins.

What mmpretrain does with a flaw is stated as its datasets do it. In a folder
of classes the label of an image is the place of its folder among the sorted
names of all folders there; a list of images names the label itself.

Legend: K classes, labels in [0, K).
"""

import math
import os.path as osp

from projects.core.config.walk import type_name
from projects.core.datasets.decoding import IMAGE_SUFFIXES
from projects.core.datasets.files import (
    SPLITS,
    class_list,
    dataset_class,
    inner_datasets,
    is_remote,
    misspelt_classes,
    what_is_there,
)
from projects.core.datasets.folder_checks import check_images
from projects.core.errors import UserError

# mmpretrain's, whose own lists of suffixes leave some out
OF_FOLDERS = ('CustomDataset', 'ImageNet', 'ImageNet21k', 'Places205')
KINDS = ('MNIST', 'CIFAR10', 'CustomDataset')  # and what descends from them
HOMES = {
    'MNIST': 'http://yann.lecun.com/exdb/mnist/',
    'FashionMNIST': 'https://github.com/zalandoresearch/fashion-mnist',
    'CIFAR10': 'https://www.cs.toronto.edu/~kriz/cifar.html',
    'CIFAR100': 'https://www.cs.toronto.edu/~kriz/cifar.html',
    'ImageNet': 'https://www.image-net.org/download.php',
}


class ImageSetChecks:
    """The checks of a config's image sets, and what is shared between its splits.

    Args:
        cfg: MMEngine Config of a run.
        num_outputs: Classes of the model, as far as known.
    """

    def __init__(self, cfg, num_outputs: int | None = None) -> None:
        self.cfg = cfg
        self.num_outputs = num_outputs
        self.folders: dict[str, set[str]] = {}  # listings
        self.trees: dict[str, list[str]] = {}  # class folders by their parent
        self._seen: list[tuple[dict, list[str]]] = []  # settings, classes

    def of(self, dataset: dict, split: str) -> tuple[list[str], list[str]]:
        """Notices on a data set, none if it was looked at before, and its classes.

        Files of MNIST, Fashion-MNIST and CIFAR must be there and whole; of images in
        folders or lists the names are read, the images are not opened.

        Raises:
            UserError: At the first flaw with which a run is impossible or wrong.
        """
        settings = {k: v for k, v in dataset.items() if k != 'pipeline'}
        for other, classes in self._seen:  # test data are often the validation data
            if other == settings:
                return [], classes
        class_ = dataset_class(dataset.get('type'), self.cfg.get('default_scope'))
        ancestors = [base.__name__ for base in getattr(class_, '__mro__', ())]
        kind = next((k for k in KINDS if k in ancestors), None)
        classes, notices = _classes(dataset, class_, split), []
        if kind in ('MNIST', 'CIFAR10'):
            _check_published(dataset, class_, kind, split)
        elif kind == 'CustomDataset':
            notices, classes = check_images(
                dataset,
                class_.__name__,
                classes,
                split,
                HOMES.get(class_.__name__),
                self.num_outputs,
                self.folders,
                self.trees,
            )
        self._seen.append((settings, classes))
        return notices, classes


def _classes(dataset: dict, class_: type | None, split: str) -> list[str]:
    """Classes that the config or the dataset's class states, in order."""
    meta = getattr(class_, 'METAINFO', None) or {}
    metainfo = dataset.get('metainfo') or {}
    stated = metainfo.get('classes') or dataset.get('classes')
    if not stated:
        wrong = misspelt_classes(metainfo)
        if wrong:
            raise UserError(
                f'{split}_dataloader: nothing reads the key {wrong!r} of metainfo '
                "(its key is 'classes', in lower case)"
            )
    found = stated or meta.get('classes') or []
    return class_list(found, f'{split}_dataloader')


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


def read_all_suffixes(cfg) -> None:
    """Let data sets of image files take all kinds that are read."""
    for split in SPLITS:
        loader = cfg.get(f'{split}_dataloader') or {}
        for dataset in inner_datasets(loader.get('dataset')):
            if type_name(dataset) in OF_FOLDERS:
                dataset.setdefault('extensions', IMAGE_SUFFIXES)
