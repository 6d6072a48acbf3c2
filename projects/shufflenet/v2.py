"""ShuffleNet V2, after Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient
CNN Architecture Design", ECCV 2018, Sec. 3 and Table 5,
https://arxiv.org/abs/1807.11164.

Legend: B images, C channels, H and W in pixels; G1 to G4 are the paper's guidelines
(Sec. 2). Differences from the paper: README, "Notes".
"""

from collections.abc import Sequence

import torch
from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import Tensor, nn

from projects.core.layers import Backbone, ConvNormAct, build_layer
from projects.core.layers.backbone import Stages
from projects.registry import MODELS
from projects.shufflenet.initialisation import INIT_CFG

BN = dict(type='BN')
RELU = dict(type='ReLU', inplace=True)


class InvertedResidual(nn.Module):
    """Two branches put side by side and shuffled (Fig. 3 c, d).

    Maps (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride),
    rounded up. With stride 1 each branch gets half of the channels and the first
    one passes them on as they are (G3: no fragments); with stride 2 both get
    all of them. Within a branch the numbers of channels are equal (G1), nothing is
    in groups but the depthwise convolution (G2) and nothing is added (G4).

    Args:
        in_channels: Channels of x; ``out_channels`` where stride is 1.
        out_channels: Channels of the result, half of them from each branch.
        stride: 1 or 2.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        act_cfg: Activation after each 1x1 convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        self.stride = stride
        width = out_channels // 2

        def pointwise(in_channels: int) -> list[nn.Module]:
            return [
                build_conv_layer(conv_cfg, in_channels, width, 1, bias=False),
                build_norm_layer(norm_cfg, width)[1],
                build_activation_layer(act_cfg),
            ]

        def depthwise(channels: int) -> list[nn.Module]:
            return [
                build_conv_layer(
                    conv_cfg,
                    channels,
                    channels,
                    3,
                    stride=stride,
                    padding=1,
                    groups=channels,
                    bias=False,
                ),
                build_norm_layer(norm_cfg, channels)[1],
            ]

        if stride == 2:
            self.branch1 = nn.Sequential(
                *depthwise(in_channels), *pointwise(in_channels)
            )
        self.branch2 = nn.Sequential(
            *pointwise(in_channels if stride == 2 else width),
            *depthwise(width),
            *pointwise(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            branches = self.branch1(x), self.branch2(x)
        else:
            kept, x = x.chunk(2, 1)
            branches = kept, self.branch2(x)
        # else the same half would be passed on by every block of a stage
        return nn.functional.channel_shuffle(torch.cat(branches, 1), 2)


@MODELS.register_module()
class ShuffleNetV2(Backbone):
    """ShuffleNet V2 without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:

    =====  ==================  ================  =======  ======
    index  layers (Table 5)    channels, 1.0x    of 224   blocks
    =====  ==================  ================  =======  ======
    0      3x3 convolution     24                112
    1      max pooling         24                56
    2      stage2              116               28       4
    3      stage3              232               14       8
    4      stage4              464               7        4
    5      1x1 convolution     1024              7
    =====  ==================  ================  =======  ======

    Args:
        width_mult: A key of ``arch_settings``.
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
        ValueError: If ``width_mult`` is not in ``arch_settings`` or if one of
            ``out_indices`` does not exist.
    """

    # channels of stage2, which double from stage to stage, and of conv5 (Table 5)
    arch_settings = {
        0.5: (48, 1024),
        1.0: (116, 1024),
        1.5: (176, 1024),
        2.0: (244, 2048),
    }

    def __init__(
        self,
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
        if width_mult not in self.arch_settings:
            raise ValueError(
                f'width_mult {width_mult} not in {set(self.arch_settings)}'
            )
        channels, last_channels = self.arch_settings[width_mult]
        cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
        before = 24
        self.conv1 = ConvNormAct(in_channels, before, 3, 2, **cfgs)
        self.maxpool = build_layer(pool_cfg, nn.MaxPool2d, 3, 2, 1)
        for i, num_blocks in enumerate((4, 8, 4)):
            blocks = []
            for j in range(num_blocks):
                blocks.append(
                    InvertedResidual(before, channels, 2 if j == 0 else 1, **cfgs)
                )
                before = channels
            self.add_module(f'stage{i + 2}', nn.Sequential(*blocks))
            channels *= 2
        self.conv5 = ConvNormAct(before, last_channels, 1, **cfgs)
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        return (
            (self.conv1,),
            (self.maxpool,),
            (self.stage2,),
            (self.stage3,),
            (self.stage4,),
            (self.conv5,),
        )
