"""Network in Network, after Lin, Chen, Yan, ICLR 2014, Sec. 3,
https://arxiv.org/abs/1312.4400.

Shapes: B images, C channels, H and W in pixels. Differences from the paper:
README, "Notes".
"""

from collections.abc import Sequence

from mmcv.cnn import build_conv_layer
from torch import nn

from projects.core.layers import Backbone, build_layer
from projects.core.layers.backbone import Stages
from projects.registry import MODELS


class MLPConv(nn.Sequential):
    """A convolution and two of 1 x 1, each with a ReLU (Sec. 3.1, Eq. 2).

    The two see one pixel only: they are a small MLP, the same at each place.

    Args:
        in_channels: Channels of the input.
        channels: Channels of all three convolutions.
        kernel_size: Of the first.
        stride: Of the first.
        padding: Of the first.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        conv_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            build_conv_layer(
                conv_cfg, in_channels, channels, kernel_size, stride, padding
            ),
            nn.ReLU(True),
            build_conv_layer(conv_cfg, channels, channels, 1),
            nn.ReLU(True),
            build_conv_layer(conv_cfg, channels, channels, 1),
            nn.ReLU(True),
        )


@MODELS.register_module()
class NiN(Backbone):
    """The first three mlpconv layers; the fourth is the head's.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:

    =====  ===========================  ========  ==========
    index  layers                       channels  of 224
    =====  ===========================  ========  ==========
    0      mlpconv (11 x 11, stride 4)  96        54
    1      pool, mlpconv (5 x 5)        256       26
    2      pool, mlpconv (3 x 3)        384       12
    =====  ===========================  ========  ==========

    The pools are 3 x 3 of stride 2.

    Args:
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        in_channels: Channels of the image.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        pool_cfg: Layer in the place of ``nn.MaxPool2d``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is He's: twelve ReLUs in a row leave little of a signal
            under Xavier's, and there is no normalisation.

    Raises:
        ValueError: If one of ``out_indices`` does not exist.
    """

    def __init__(
        self,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        in_channels: int = 3,
        conv_cfg: dict | None = None,
        pool_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg or dict(type='Kaiming', layer='Conv2d', mode='fan_in')
        )
        self.block1 = MLPConv(in_channels, 96, 11, stride=4, conv_cfg=conv_cfg)
        self.pool1 = build_layer(pool_cfg, nn.MaxPool2d, 3, 2)
        self.block2 = MLPConv(96, 256, 5, padding=2, conv_cfg=conv_cfg)
        self.pool2 = build_layer(pool_cfg, nn.MaxPool2d, 3, 2)
        self.block3 = MLPConv(256, 384, 3, padding=1, conv_cfg=conv_cfg)
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        return ((self.block1,), (self.pool1, self.block2), (self.pool2, self.block3))
