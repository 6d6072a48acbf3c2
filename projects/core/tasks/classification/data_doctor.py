"""Images of classes, as far as folders, lists and data sets tell without the pixels."""

import os.path as osp
from collections import Counter

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope

from projects.core.datasets.class_balance import balance_findings
from projects.core.datasets.decoding import IMAGE_SUFFIXES
from projects.core.datasets.files import (
    SPLITS,
    dataset_class,
    different_splits,
    entries,
    inner_datasets,
    is_folder,
)
from projects.core.datasets.findings import (
    ERROR,
    WARNING,
    Examination,
    Finding,
    SplitOfData,
)
from projects.core.datasets.folder_checks import PARTS
from projects.core.datasets.image_set_checks import read_all_suffixes
from projects.core.errors import UserError, described
from projects.core.tasks.classification.data_checks import check_classification_data
from projects.registry import DATASETS

FIX = 'A run stops here: fix the data, or the config, as it says'
SEE = 'A run goes on with this: see whether it is meant'
# what folders of the parts are called
PART_OF = {
    name: 'train' if name.startswith('train') else 'test' if name == 'test' else 'val'
    for name in PARTS
}


def classification_data_at(path: str, images: str | None) -> Config | None:
    """A config of a folder of class folders, maybe below train and val; None if the
    path is none."""
    if images is not None or not osp.isdir(path):
        return None
    folders = sorted(e.name for e in entries(path) if is_folder(e))
    folders = [name for name in folders if not name.startswith('.')]
    if not folders or {'annotations', 'Annotations', 'ImageSets'} & set(folders):
        return None
    parts = {PART_OF[n.lower()]: n for n in folders[::-1] if n.lower() in PART_OF}
    if len(parts) < len(folders) or not parts:
        parts = dict(train='')
    return Config(
        {
            'default_scope': 'mmpretrain',
            **{
                f'{split}_dataloader': dict(
                    dataset=dict(
                        type='CustomDataset',
                        data_root=path,
                        data_prefix=name,
                        extensions=IMAGE_SUFFIXES,
                    )
                )
                for split, name in parts.items()
            },
        }
    )


def examine_classification_data(cfg) -> Examination:
    """Look over the image sets of a config.

    Args:
        cfg: MMEngine Config; without a ``model`` the data alone are looked at.

    Raises:
        UserError: If none of them can be read.
    """
    cfg = Config(cfg.to_dict())
    read_all_suffixes(cfg)
    findings: list[Finding] = []
    splits: list[SplitOfData] = []
    for split, loader in different_splits(cfg):
        try:
            others = [k for k in cfg if k.startswith(SPLITS) and split not in k]
            own = Config({k: v for k, v in cfg.items() if k not in others})
            for notice in check_classification_data(own):
                findings.append(
                    Finding(WARNING, 'noticed by a run', split, notice, SEE)
                )
        except UserError as error:
            findings.append(Finding(ERROR, 'refused by a run', split, str(error), FIX))
        try:
            with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
                splits.append(_split_of(split, loader, cfg))
        except UserError as error:
            findings.append(Finding(WARNING, 'not looked at', split, str(error)))
        except Exception as error:  # of whatever a data set does with a flaw
            if not any(f.level == ERROR and f.split == split for f in findings):
                text = f'the images cannot be listed: {described(error)}'
                findings.append(Finding(ERROR, 'refused by a run', split, text, FIX))
    try:  # what is between the splits: the same folders in all
        check_classification_data(cfg)
    except UserError as error:
        if not any(f.text == str(error) for f in findings):
            findings.append(
                Finding(ERROR, 'refused by a run', 'train, val', str(error), FIX)
            )
    if not splits and not any(f.level == ERROR for f in findings):
        raise UserError(
            'there are no images to check'
            + ''.join(f'; {f.split}: {f.text}' for f in findings)
        )
    counts = {part.split: part.facts['classes'] for part in splits if part.labels}
    classes = dict.fromkeys(name for found in counts.values() for name in found)
    counts = {
        split: {name: found.get(name, 0) for name in classes}
        for split, found in counts.items()
    }
    return Examination(splits, findings + balance_findings(counts, 'images'))


def _split_of(split: str, loader: dict, cfg) -> SplitOfData:
    """The images of a split, with the names of their classes."""
    images, names, labels, classes = [], [], [], []
    for config in inner_datasets(loader['dataset']):
        class_ = dataset_class(config.get('type'), cfg.get('default_scope'))
        if not (isinstance(class_, type) and issubclass(class_, BaseDataset)):
            raise UserError(f'{config.get("type")} is no data set of images')
        dataset = DATASETS.build({**config, 'pipeline': []})
        classes = list(dataset.metainfo.get('classes') or classes)
        for i in range(len(dataset)):
            info = dataset.get_data_info(i)
            path = info.get('img_path')
            images.append(info['img'] if path is None else path)
            names.append(f'{split}[{i}]' if path is None else osp.relpath(path))
            label = info.get('gt_label')
            if isinstance(label, (int, np.integer)):
                labels.append(
                    classes[label] if label < len(classes) else f'label {label}'
                )
    if len(labels) < len(images):
        labels = []  # of several labels each, or none
    counts = Counter(labels)
    return SplitOfData(
        split,
        images,
        names,
        np.full((len(images), 2), np.nan),
        labels,
        facts=dict(
            images=len(images),
            classes={name: counts[name] for name in classes or counts if labels},
        ),
    )
