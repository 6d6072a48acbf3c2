"""The two kinds of image data that are found in a folder."""

import os.path as osp
from typing import Any, NamedTuple

from projects.core.config.walk import type_name
from projects.core.datasets.files import twice
from projects.core.datasets.own_data import coco, folders
from projects.core.datasets.own_data.model import preprocessor_of, takes_grey
from projects.core.datasets.own_data.places import Place, place_in, there
from projects.core.datasets.transforms import loading_steps
from projects.core.errors import UserError, did_you_mean, listed

CHOICE = 'projects.ChosenFolders'


class Found(NamedTuple):
    """What was found of a split.

    Args:
        settings: Of its data set: type and places below ``data_root``.
        names: Of its classes, in the order of their labels.
        text: Where it lies, for the log.
        images: Their number; by class, where each has one.
        unused: Classes without a sample.
    """

    settings: dict[str, Any]
    names: list[str]
    text: str
    images: int | dict[str, int]
    unused: list[str]

    def num_images(self, names: list[str]) -> int:
        """Number of those of some classes."""
        if isinstance(self.images, int):
            return self.images
        return sum(self.images.get(name, 0) for name in names)


class Boxes:
    """Objects in images: annotations in the COCO format, for detectors."""

    types = ('CocoDataset', 'DigitsCocoDataset', 'VOCDataset', 'XMLDataset')
    layout = 'annotations in the COCO format'
    #: keys of a data set that are not of the data
    kept = ('filter_cfg',)

    def find(self, root: str, split: str, place: Place, old: dict) -> Found | None:
        """What lies in ``root`` of a split; None if nothing does.

        Args:
            root: ``data_root``.
            split: 'train', 'val' or 'test'.
            place: What the config says of it.
            old: The base's data set.

        Raises:
            UserError: If it cannot be told, or is not where ``place`` says.
        """
        as_before = place_in(old)
        if place.ann_file is None and osp.isfile(
            osp.join(root, as_before.ann_file or '')
        ):
            img = place.img
            if img is None and osp.isdir(osp.join(root, as_before.img or '')):
                img = as_before.img
            place = Place(as_before.ann_file, img)
        found = coco.find_annotations(root, split, place)
        if found is None:
            return None
        return Found(
            dict(
                type='mmdet.CocoDataset',
                ann_file=found.ann_file,
                data_prefix=dict(img=found.img),
            ),
            found.categories,
            f'{found.ann_file} and {found.img or "./"}',
            found.num_images,
            found.unused,
        )

    def wanted(self, split: str) -> str:
        """What is looked for, in words."""
        return coco.wanted(split)

    def is_at(self, root: str, old: dict) -> bool:
        """Whether the base's own data lie in ``root``: VOC's, for a base of VOC."""
        is_voc = type_name(old) in self.types[2:]
        return is_voc and osp.isfile(osp.join(root, place_in(old).ann_file or ''))

    def other(self, root: str) -> str:
        """What else lies in ``root``, that the model has no use of, in words."""
        if found := coco.json_files(root):
            found.sort(key=coco.is_of_evaluation)  # which is not proposed, if possible
            return f". Name the file: train='{found[0]}' (there is {listed(found, 3)})"
        if folders.find_folders(root, 'train', None) is not None:
            return (
                '. There are folders of images: a class for each image is learnt by a '
                'classifier, such as configs/resnet/resnet18_8xb32-90e_imagenet.py'
            )
        _, names, _ = next(iter(folders.entries_below(root, 0)))
        if {'Annotations', 'ImageSets'} <= {*names} or 'VOC2007' in names:
            return '. It looks like VOC: tools/dataset_tools/to_coco.py converts that'
        return ''

    def ordered(self, chosen: list[str], names: list[str]) -> list[str]:
        """Chosen classes in the order of their labels: mmdet's is that of the file."""
        return [name for name in names if name in chosen]

    def settings(self, found: Found, chosen: list[str], is_choice: bool) -> dict:
        """Those of the data set, of some of the classes that were found."""
        return {**found.settings, 'metainfo': dict(classes=tuple(chosen))}

    def complete(self, cfg: dict, dataset: dict, old: dict) -> None:
        """What the model needs beyond the data."""


class Classes:
    """A class for each image: folders of images, for classifiers."""

    in_memory = dict(DigitsDataset=None, MNIST=28, FashionMNIST=28, CIFAR10=32)
    in_memory['CIFAR100'] = 32
    types = ('CustomDataset', 'ImageNet', 'ChosenFolders', *in_memory)
    layout = 'images in a folder for each class'
    kept = ('extensions',)

    def find(self, root: str, split: str, place: Place, old: dict) -> Found | None:
        """See :meth:`Boxes.find`."""
        if place.ann_file is not None:
            raise UserError(
                f"{split}='{place.ann_file}' in the config: a classifier's images lie "
                f'in a folder for each class; name that of {split}, as in '
                f"{split}='{split}/', or write the data loaders in full"
            )
        found = folders.find_folders(root, split, place.img)
        if found is None:
            return None
        type_ = 'mmpretrain.CustomDataset'  # to which hidden folders are classes
        return Found(
            dict(type=CHOICE if found.has_hidden else type_, data_prefix=found.folder),
            sorted(found.images),
            f'{found.folder.rstrip("/") or "."}/',
            found.images,
            [name for name, num in found.images.items() if not num],
        )

    def wanted(self, split: str) -> str:
        return folders.wanted(split)

    def is_at(self, root: str, old: dict) -> bool:
        """Whether the base's own published data lie in ``root``."""
        name = type_name(old)
        if name == 'ImageNet':
            return folders.is_imagenet(root)
        files = dict(
            CIFAR10='cifar-10-batches-py',
            CIFAR100='cifar-100-python',
            MNIST='train-images-idx3-ubyte',
            FashionMNIST='train-images-idx3-ubyte',
        )
        return name in files and osp.exists(osp.join(root, files[name]))

    def other(self, root: str) -> str:
        found = coco.json_files(root)
        if not found:
            return ''
        return (
            f'. There is {listed(found, 3)}: objects in images are learnt by a '
            'detector, such as configs/yolov1/yolov1-mini_1xb16-15e_digits-coco.py'
        )

    def ordered(self, chosen: list[str], names: list[str]) -> list[str]:
        return chosen

    def settings(self, found: Found, chosen: list[str], is_choice: bool) -> dict:
        if not is_choice and found.settings['type'] != CHOICE:
            return found.settings
        classes = dict(classes=tuple(chosen))
        return {**found.settings, 'type': CHOICE, 'metainfo': classes}

    def complete(self, cfg: dict, dataset: dict, old: dict) -> None:
        """Read image files where the base's images were in memory."""
        name = type_name(old)
        if name not in self.in_memory or 'pipeline' not in dataset:
            return
        steps = list(dataset['pipeline'])
        size = self.in_memory[name]
        if size is not None and 'Resize' not in str(steps[0].get('type')):
            steps.insert(0, dict(type='Resize', scale=(size, size)))
        is_rgb = bool(preprocessor_of(cfg).get('to_rgb'))
        dataset['pipeline'] = [*loading_steps(takes_grey(cfg), is_rgb), *steps]


KINDS = (Boxes(), Classes())


def kind_of(types: set[str], model: dict) -> Boxes | Classes | None:
    """The kind of data sets of these types; None if it is another, or several, as
    where a generator learns images."""
    for kind in KINDS:
        if types <= set(kind.types) and ('head' in model or kind is not KINDS[1]):
            return kind
    return None


def not_found(kind: Boxes | Classes, root: str, split: str) -> str:
    """What to say where a split is not there."""
    return (
        f"data_root = '{root}': there are no data for {split} as {kind.layout}; looked "
        f'for {kind.wanted(split)}; {there(root)}'
    )


def check_chosen(chosen: list[str], names: list[str], where: str) -> None:
    """Refuse classes that the data do not have, and none at all.

    Raises:
        UserError: At the first.
    """
    if not chosen:
        raise UserError(
            f'classes in the config: there are none; {where} has {listed(names, 20)}'
        )
    if repeated := twice(chosen):
        raise UserError(f'classes in the config hold {listed(repeated)} more than once')
    for name in chosen:
        if name not in names:
            raise UserError(
                f"classes in the config: there is no class '{name}' in {where}"
                + did_you_mean(name, names)
                + f'; it has {listed(names, 20)}'
            )
