"""digits-coco as a dataset of MMDetection that makes itself."""

from pathlib import Path

from mmdet.datasets import CocoDataset

from projects.core.datasets.digits_canvas import SPLITS
from projects.core.datasets.digits_coco import (
    CLASSES,
    make_digits_coco,
    read_settings,
)
from projects.registry import DATASETS


@DATASETS.register_module()
class DigitsCocoDataset(CocoDataset):
    """A split of digits-coco; the first use makes the set.

    Labels are in [0, 10), and are the digits themselves.

    Args:
        split: ``'train'`` or ``'val'``.
        data_root: Folder of the set, see :func:`make_digits_coco`. Where it is
            absent or empty the set is made in it.
        make_cfg: Arguments of :func:`make_digits_coco` other than its root. A
            set that was made with others is then refused; without
            ``make_cfg``, a set is made with the defaults, and one that is
            there is read whatever it was made with.
        **kwargs: Of :class:`mmdet.datasets.CocoDataset`, other than
            ``ann_file`` and ``data_prefix``, which follow from ``split``.

    Raises:
        ValueError: If ``split`` is unknown.
        UserError: If ``data_root`` holds no whole set, or one made with
            other settings than ``make_cfg``.
    """

    METAINFO = {
        'classes': CLASSES,
        'palette': [
            (230, 25, 75),
            (60, 180, 75),
            (255, 225, 25),
            (0, 130, 200),
            (245, 130, 48),
            (145, 30, 180),
            (70, 240, 240),
            (240, 50, 230),
            (210, 245, 60),
            (250, 190, 212),
        ],
    }

    def __init__(
        self,
        split: str,
        data_root: str | Path = 'data/digits-coco',
        make_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f'split {split!r} not in {SPLITS}')
        if make_cfg is not None or read_settings(data_root) is None:
            make_digits_coco(data_root, **(make_cfg or {}))
        super().__init__(
            ann_file=f'annotations/{split}.json',
            data_root=str(data_root),
            data_prefix=dict(img=f'{split}/'),
            **kwargs,
        )
