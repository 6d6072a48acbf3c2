"""Images of several sizes in training, after Sec. 3.2 of MobileViT's paper."""

from collections.abc import Sequence

import numpy as np
from mmpretrain.models import ClsDataPreprocessor
from torch.nn.functional import interpolate

from projects.registry import MODELS


@MODELS.register_module()
class MultiScaleClsDataPreprocessor(ClsDataPreprocessor):
    """mmpretrain's preprocessor, which in training gives each batch a size.

    The size is drawn anew for each batch; all its images have it. The processes of a
    distributed training begin with the same seed and draw the same. In evaluation
    images keep their size.

    Args:
        sizes: Sides of the square images to draw from, in pixels. The pipeline
            should give the largest.
        **kwargs: Of mmpretrain's ``ClsDataPreprocessor``.

    Raises:
        ValueError: If there are no sizes, or one is not positive.
    """

    def __init__(self, sizes: Sequence[int], **kwargs) -> None:
        super().__init__(**kwargs)
        if not sizes or min(sizes) < 1:
            raise ValueError(f'sizes {tuple(sizes)}: sides in pixels are positive')
        self.sizes = tuple(sizes)

    def forward(self, data: dict, training: bool = False) -> dict:
        data = super().forward(data, training)
        if training:
            size = int(np.random.choice(self.sizes))
            data['inputs'] = interpolate(
                data['inputs'], size=(size, size), mode='bilinear', antialias=True
            )
        return data
