"""digits: real handwritten digits to classify, out of scikit-learn."""

import numpy as np
from mmpretrain.datasets import BaseDataset

from projects.core.datasets.digits_canvas import (
    SPLITS,
    load_sources,
    sources_of,
)
from projects.core.datasets.digits_coco import CLASSES
from projects.registry import DATASETS


@DATASETS.register_module()
class DigitsDataset(BaseDataset):
    """A split of scikit-learn's digits: 1,500 to train on, 297 held out.

    The held-out ones are, but for one writer, by people whose hand is not
    among the others; they are the source of digits-coco's validation images.
    Samples are dicts of ``img``, (8, 8) or (8, 8, 3) uint8, white ink on
    black, and ``gt_label`` in [0, 10), the digit. Nothing is written or
    downloaded.

    Args:
        split: ``'train'`` or ``'val'``.
        num_channels: 1, or 3 for models of coloured images.
        **kwargs: Of mmpretrain's ``BaseDataset``, other than files.

    Raises:
        ValueError: If ``split`` or ``num_channels`` is none of these.
    """

    METAINFO = {'classes': CLASSES}

    def __init__(self, split: str, num_channels: int = 1, **kwargs) -> None:
        if split not in SPLITS:
            raise ValueError(f'split {split!r} not in {SPLITS}')
        if num_channels not in (1, 3):
            raise ValueError(f'num_channels {num_channels} is not 1 or 3')
        self.split = split
        self.num_channels = num_channels
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self) -> list[dict]:
        inks, labels = (part[sources_of(self.split)] for part in load_sources())
        images = np.rint(inks * 255).astype(np.uint8)
        return [
            dict(img=image, gt_label=int(label))
            for image, label in zip(images, labels, strict=True)
        ]

    def get_data_info(self, idx: int) -> dict:
        info = super().get_data_info(idx)
        # the data are the same, however many channels a model takes
        if self.num_channels == 3:
            info['img'] = np.repeat(info['img'][..., None], 3, axis=-1)
        return info
