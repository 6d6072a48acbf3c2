"""ShuffleNet, after Zhang et al., "ShuffleNet: An Extremely Efficient Convolutional
Neural Network for Mobile Devices", CVPR 2018, Sec. 3 and Table 1,
https://arxiv.org/abs/1707.01083.

Legend: B images, C channels, H and W in pixels, g groups. Differences from the
paper: README, "Notes".
"""

from collections.abc import Sequence

import torch
from mmcv.cnn import build_activation_layer
from torch import Tensor, nn

from projects.core.layers import Backbone, ConvNormAct, build_layer
from projects.core.layers.backbone import Stages
from projects.registry import MODELS
from projects.shufflenet.initialisation import INIT_CFG

BN = dict(type='BN')
RELU = dict(type='ReLU', inplace=True)


class ShuffleUnit(nn.Module):
    """A bottleneck of which both 1x1 convolutions are in groups (Fig. 2).

    Maps (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride),
    rounded up. With stride 1 (Fig. 2 b) the result is added to x; with stride 2
    (Fig. 2 c) it is put beside the averaged x, so that it needs
    ``out_channels - in_channels`` channels only.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of the result; a quarter of them in between.
        stride: 1 or 2.
        groups: g, of the second 1x1 convolution.
        compress_groups: Groups of the first one.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation after the first convolution, and of the result.

    Raises:
        ValueError: If the groups do not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        groups: int,
        compress_groups: int,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        self.groups = groups
        width = out_channels // 4  # Sec. 3.2
        self.avgpool = None
        if stride == 2:
            self.avgpool = nn.AvgPool2d(3, 2, 1)
            out_channels -= in_channels
        if width % groups or out_channels % groups:
            raise ValueError(
                f'{groups} groups do not divide the {width} and {out_channels} '
                'channels of a unit'
            )
        cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.compress = ConvNormAct(
            in_channels, width, 1, groups=compress_groups, act_cfg=act_cfg, **cfgs
        )
        # no activation: Sec. 3.2, after Xception
        self.depthwise = ConvNormAct(width, width, 3, stride, groups=width, **cfgs)
        self.expand = ConvNormAct(width, out_channels, 1, groups=groups, **cfgs)
        self.act = build_activation_layer(act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        out = self.depthwise(self.compress(x))
        # each group of expand gets channels of every group of compress
        out = self.expand(nn.functional.channel_shuffle(out, self.groups))
        if self.avgpool is None:
            out += x
            return self.act(out)
        return torch.cat((self.avgpool(x), self.act(out)), 1)


@MODELS.register_module()
class ShuffleNetV1(Backbone):
    """ShuffleNet without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:

    =====  ==============================  ================  =======  =====
    index  layers (Table 1)                channels, g = 3   of 224   units
    =====  ==============================  ================  =======  =====
    0      3x3 convolution, max pooling    24                56
    1      stage2                          240               28       4
    2      stage3                          480               14       8
    3      stage4                          960               7        4
    =====  ==============================  ================  =======  =====

    Args:
        groups: g, a key of ``arch_settings``. More groups make a convolution
            cheaper, so that there are more channels for the same cost.
        width_mult: Multiplies all numbers of channels; the paper's s.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation.
        pool_cfg: Layer in the place of the stem's ``nn.MaxPool2d``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is that of the authors' code, ``[]`` leaves torch's.

    Raises:
        ValueError: If ``groups`` is not in ``arch_settings``, if the channels
            cannot be divided into them, or if one of ``out_indices`` does not
            exist.
    """

    # channels of stage2, which double from stage to stage (Table 1)
    arch_settings = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}

    def __init__(
        self,
        groups: int = 3,
        width_mult: float = 1.0,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
        act_cfg: dict = RELU,
        pool_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(INIT_CFG if init_cfg is None else init_cfg)
        if groups not in self.arch_settings:
            raise ValueError(f'groups {groups} not in {set(self.arch_settings)}')
        before = int(24 * width_mult)
        channels = int(self.arch_settings[groups] * width_mult)
        cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.conv1 = ConvNormAct(in_channels, before, 3, 2, **cfgs)
        self.maxpool = build_layer(pool_cfg, nn.MaxPool2d, 3, 2, 1)
        for i, num_units in enumerate((4, 8, 4)):
            units = []
            for j in range(num_units):
                units.append(
                    ShuffleUnit(
                        before,
                        channels,
                        2 if j == 0 else 1,
                        groups,
                        # Sec. 3.2: the stem's few channels are not divided
                        1 if i == j == 0 else groups,
                        **cfgs,
                    )
                )
                before = channels
            self.add_module(f'stage{i + 2}', nn.Sequential(*units))
            channels *= 2
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        return (
            (self.conv1, self.maxpool),
            (self.stage2,),
            (self.stage3,),
            (self.stage4,),
        )
