"""Backbone of SSD: VGG-16 with the reduced fc6 and fc7 (Liu et al., "SSD:
Single Shot MultiBox Detector", ECCV 2016, Fig. 2 and Sec. 3,
https://arxiv.org/abs/1512.02325).

Shapes: N images, H and W in pixels.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from projects.core.layers import Backbone
from projects.core.layers.backbone import Stages
from projects.registry import MODELS


@MODELS.register_module()
class SSDVGG(Backbone):
    """VGG-16, its two connected layers turned into convolutions.

    fc6 is a 3x3 convolution of dilation 6, an "atrous" one that sees as much
    as the 7x7 it is cut from; pool5 keeps the resolution; fc8 is gone. Maps
    (N, 3, H, W) images to one map per index of ``out_indices``:

    =====  =======  ========  ============================
    index  layer    channels  stride
    =====  =======  ========  ============================
    0-2    conv1_2  64        1; conv2_2: 128, conv3_3: 256
    3      conv4_3  512       8
    4      conv5_3  512       16
    5      fc7      1024      16
    =====  =======  ========  ============================

    Names of weights are those of torchvision's and mmdetection's VGG.

    Args:
        out_indices: Maps to return; -1 is the last, fc7.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is Xavier's.

    Raises:
        ValueError: If one of ``out_indices`` does not exist.
    """

    # (convolutions, channels) of the five stages
    arch = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))

    def __init__(
        self,
        out_indices: Sequence[int] = (3, 5),
        trainable_stages: int | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg or dict(type='Xavier', layer='Conv2d', distribution='uniform')
        )
        out_indices = self.resolve_indices(out_indices, len(self.arch) + 1)
        layers: list[nn.Module] = []
        ends, in_channels = [], 3
        for stage, (num_convs, channels) in enumerate(self.arch):
            if stage > 0:  # rounds up: 75 -> 38 after conv3_3
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
            for _ in range(num_convs):
                layers += [
                    nn.Conv2d(in_channels, channels, 3, padding=1),
                    nn.ReLU(inplace=True),
                ]
                in_channels = channels
            ends.append(len(layers) - 1)
        layers += [
            nn.MaxPool2d(3, 1, padding=1),
            nn.Conv2d(512, 1024, 3, padding=6, dilation=6),  # fc6
            nn.ReLU(inplace=True),
            nn.Conv2d(1024, 1024, 1),  # fc7
            nn.ReLU(inplace=True),
        ]
        ends.append(len(layers) - 1)
        self.ends = ends[: out_indices[-1] + 1]
        self.features = nn.Sequential(*layers[: self.ends[-1] + 1])
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        layers = list(self.features)
        return [
            layers[start + 1 : end + 1] for start, end in pairwise((-1, *self.ends))
        ]
