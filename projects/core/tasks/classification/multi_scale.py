"""Images of several sizes in training.

After Mehta and Rastegari, "MobileViT: Light-weight, General-purpose, and
Mobile-friendly Vision Transformer", ICLR 2022, Sec. 3.2 ("Multi-scale sampler for
training efficiency"), https://arxiv.org/abs/2110.02178.
"""

from collections.abc import Sequence

import numpy as np
from mmpretrain.models import ClsDataPreprocessor
from torch.nn.functional import interpolate

from projects.registry import MODELS


@MODELS.register_module()
class MultiScaleClsDataPreprocessor(ClsDataPreprocessor):
    """mmpretrain's preprocessor, which in training gives each batch a size.

    The size is drawn anew for each batch, and all its images are resized to it. The
    processes of a distributed training begin with the same seed, so that they draw
    the same. In evaluation images keep their size.

    Args:
        sizes: Sides of the square images to draw from, in pixels. The pipeline
            should give images of the largest.
        **kwargs: Of mmpretrain's ``ClsDataPreprocessor``.

    Raises:
        ValueError: If there are no sizes, or one is not positive.
    """

    def __init__(self, sizes: Sequence[int], **kwargs) -> None:
        super().__init__(**kwargs)
        if not sizes or min(sizes) < 1:
            raise ValueError(f'sizes {tuple(sizes)}: positive numbers of pixels')
        self.sizes = tuple(sizes)

    def forward(self, data: dict, training: bool = False) -> dict:
        data = super().forward(data, training)
        if training:
            side = int(np.random.choice(self.sizes))
            data['inputs'] = interpolate(
                data['inputs'], size=(side, side), mode='bilinear', antialias=True
            )
        return data
