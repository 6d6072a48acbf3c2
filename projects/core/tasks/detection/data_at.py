"""Data of detectors by their path, without a config."""

import os.path as osp

from mmengine.config import Config

from projects.core.datasets.files import SPLITS, entries
from projects.core.errors import UserError, listed


def detection_data_at(path: str, images: str | None) -> Config | None:
    """A config of the data at a path: a COCO file, a list of VOC's images, or VOC's
    folder. None if it is none of them.

    Args:
        images: Folder of the images; of VOC's list the folder that holds
            ``Annotations`` and ``JPEGImages``.

    Returns:
        Config: With ``train_dataloader``, and of a folder with ``val_dataloader``.

    Raises:
        UserError: If a folder has no list of images.
    """
    if osp.isdir(osp.join(path, 'ImageSets')):
        return _voc_folder(path)
    if osp.isdir(osp.join(path, 'annotations')):
        return _coco_folder(path)
    if path.endswith('.json') and osp.isfile(path):
        return Config(dict(train_dataloader=dict(dataset=_coco(path, images))))
    if path.endswith('.txt') and osp.isfile(path):
        root = images or osp.dirname(osp.dirname(osp.dirname(osp.abspath(path))))
        if osp.isdir(osp.join(root, 'Annotations')):
            return Config(dict(train_dataloader=dict(dataset=_voc(path, root))))
    return None


def _images_beside(path: str) -> str | None:
    """Folder of the images by the customs of COCO's folders, if there is one."""
    name = osp.splitext(osp.basename(path))[0].removeprefix('instances_')
    here = osp.dirname(path)
    for parent in (osp.dirname(osp.abspath(path)), osp.dirname(osp.abspath(here))):
        for folder in (name, 'images', 'JPEGImages'):
            if osp.isdir(osp.join(parent, folder)):
                return osp.join(osp.relpath(parent), folder)
    return None


def _coco(path: str, images: str | None = None) -> dict:
    dataset = dict(type='CocoDataset', ann_file=path)
    images = images or _images_beside(path)
    if images is not None:
        dataset['data_prefix'] = dict(img=images)
    return dataset


def _coco_folder(root: str) -> Config | None:
    """Of the files of boxes that are named after a split, the first of each."""
    folder = osp.join(root, 'annotations')
    files = sorted(e.name for e in entries(folder) if e.name.endswith('.json'))
    found: dict[str, str] = {}
    for file in files:
        name = file.removeprefix('instances_')
        for split in SPLITS:
            if name.startswith(split):
                found.setdefault(split, osp.join(folder, file))
    if not found:
        raise UserError(
            f'{folder} holds {listed(files)}: name one of the files, or call them '
            'train.json and val.json'
        )
    return Config(
        {
            f'{split}_dataloader': dict(dataset=_coco(path))
            for split, path in found.items()
        }
    )


def _voc(path: str, root: str) -> dict:
    return dict(
        type='VOCDataset', ann_file=path, data_prefix=dict(sub_data_root=f'{root}/')
    )


def _voc_folder(root: str) -> Config:
    lists = osp.join(root, 'ImageSets', 'Main')
    found = {
        split: path
        for split, names in dict(
            train=('train', 'trainval'), val=('val', 'test')
        ).items()
        for path in [osp.join(lists, f'{name}.txt') for name in names][::-1]
        if osp.isfile(path)
    }
    if not found:
        raise UserError(
            f'{root} is a folder in VOC format without lists of images: '
            f'{lists} should hold train.txt and val.txt'
        )
    return Config(
        {
            f'{split}_dataloader': dict(dataset=_voc(path, root))
            for split, path in found.items()
        }
    )
