"""LeNet-5, after LeCun et al., "Gradient-Based Learning Applied to Document
Recognition", Proc. IEEE 86(11), 1998, Sec. II-B and Fig. 2,
https://doi.org/10.1109/5.726791.

Shapes: B images, H and W in pixels. Differences from the paper: README,
"Notes".
"""

from collections.abc import Sequence

from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import nn

from projects.core.layers import Backbone, build_layer
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

SIGMOID = dict(type='Sigmoid')


@MODELS.register_module()
class LeNet(Backbone):
    """The convolutions of LeNet-5; its linear layers are the head's.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:

    =====  =====================  ========  =======  ==============
    index  layers (paper's name)  channels  28 x 28  of H x W
    =====  =====================  ========  =======  ==============
    0      convolution (C1)       6         28 x 28  H
    1      pool, conv. (S2, C3)   16        10 x 10  H // 2 - 4
    2      pool (S4)              16        5 x 5    half of that
    =====  =====================  ========  =======  ==============

    Args:
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution; None for none.
        act_cfg: Activation after each convolution.
        pool_cfg: Layer in the place of ``nn.AvgPool2d``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is Xavier's, without which sigmoids hardly learn.

    Raises:
        ValueError: If one of ``out_indices`` does not exist.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict = SIGMOID,
        pool_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg or dict(type='Xavier', layer='Conv2d', distribution='uniform')
        )

        def conv(in_channels: int, channels: int, padding: int) -> nn.Sequential:
            layers = [
                build_conv_layer(conv_cfg, in_channels, channels, 5, padding=padding)
            ]
            if norm_cfg is not None:
                layers.append(build_norm_layer(norm_cfg, channels)[1])
            layers.append(build_activation_layer(act_cfg))
            return nn.Sequential(*layers)

        self.conv1 = conv(in_channels, 6, padding=2)  # as if 28 were 32
        self.pool1 = build_layer(pool_cfg, nn.AvgPool2d, 2)
        self.conv2 = conv(6, 16, padding=0)
        self.pool2 = build_layer(pool_cfg, nn.AvgPool2d, 2)
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        return (self.conv1,), (self.pool1, self.conv2), (self.pool2,)
