"""ResNet, after He et al., "Deep Residual Learning for Image Recognition",
CVPR 2016, Sec. 3.3 and Table 1, https://arxiv.org/abs/1512.03385.

ResNeXt splits the 3x3 convolution into groups (Xie et al., "Aggregated
Residual Transformations for Deep Neural Networks", CVPR 2017, Table 1,
https://arxiv.org/abs/1611.05431); Wide ResNet widens it (Zagoruyko and
Komodakis, "Wide Residual Networks", BMVC 2016, Sec. 2,
https://arxiv.org/abs/1605.07146).

Legend: B images, C channels, H and W in pixels. Differences from the papers:
README, "Notes".
"""

from collections.abc import Sequence

from mmcv.cnn import build_conv_layer, build_norm_layer
from mmengine.model import BaseModule, Sequential
from torch import Tensor, nn

from projects.core.layers import Backbone, build_layer
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

BN = dict(type='BN')


class ResidualBlock(BaseModule):
    """relu(residual(x) + shortcut(x)); a subclass has the layers of both.

    Maps (B, in_channels, H, W) to (B, channels * expansion, H / stride,
    W / stride), rounded up.

    Args:
        in_channels: Channels of x.
        channels: Channels of a plain block's 3x3 convolution; a stage's
            width in Table 1.
        stride: 2 in the first block of a stage that halves the map.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`.
    """

    expansion: int
    last_norm: str  # name of the residual's last layer

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        conv_cfg: dict | None,
        norm_cfg: dict,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.relu = nn.ReLU(inplace=True)
        out_channels = channels * self.expansion
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            # Sec. 3.3, option B: a projection where the shapes differ
            self.downsample = nn.Sequential(
                build_conv_layer(
                    conv_cfg, in_channels, out_channels, 1, stride=stride, bias=False
                ),
                build_norm_layer(norm_cfg, out_channels)[1],
            )

    def residual(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        out = self.residual(x)
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions (Fig. 5, left); see :class:`ResidualBlock`.

    Raises:
        ValueError: If it is to have groups or another width, which the papers
            define for the bottleneck only.
    """

    expansion = 1
    last_norm = 'bn2'

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        groups: int,
        base_width: int,
        conv_cfg: dict | None,
        norm_cfg: dict,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(in_channels, channels, stride, conv_cfg, norm_cfg, init_cfg)
        if (groups, base_width) != (1, 64):
            raise ValueError(
                f'groups {groups}, base_width {base_width}: '
                'ResNet-18 and 34 have no bottleneck to change'
            )
        # batch norm brings the bias
        self.conv1 = build_conv_layer(
            conv_cfg, in_channels, channels, 3, stride=stride, padding=1, bias=False
        )
        self.bn1 = build_norm_layer(norm_cfg, channels)[1]
        self.conv2 = build_conv_layer(
            conv_cfg, channels, channels, 3, padding=1, bias=False
        )
        self.bn2 = build_norm_layer(norm_cfg, channels)[1]

    def residual(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(x))


class Bottleneck(ResidualBlock):
    """1x1, 3x3 and 1x1 convolutions (Fig. 5, right).

    The 3x3 convolution has the stride, as in torchvision; the paper gives it
    to the first 1x1, which then skips three positions of four.

    Args:
        groups: Groups of the 3x3 convolution, ResNeXt's cardinality C.
        base_width: Channels of a group where ``channels`` is 64, ResNeXt's d;
            they double with ``channels``.
        *args: See :class:`ResidualBlock`, as the others.
    """

    expansion = 4
    last_norm = 'bn3'

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        groups: int,
        base_width: int,
        conv_cfg: dict | None,
        norm_cfg: dict,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(in_channels, channels, stride, conv_cfg, norm_cfg, init_cfg)
        width = channels * base_width // 64 * groups
        out_channels = channels * self.expansion
        self.conv1 = build_conv_layer(conv_cfg, in_channels, width, 1, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, width)[1]
        self.conv2 = build_conv_layer(
            conv_cfg,
            width,
            width,
            3,
            stride=stride,
            padding=1,
            groups=groups,
            bias=False,
        )
        self.bn2 = build_norm_layer(norm_cfg, width)[1]
        self.conv3 = build_conv_layer(conv_cfg, width, out_channels, 1, bias=False)
        self.bn3 = build_norm_layer(norm_cfg, out_channels)[1]

    def residual(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


@MODELS.register_module()
class ResNet(Backbone):
    """ResNet, ResNeXt or Wide ResNet without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:

    =====  =====================  ==============  ================  =======
    index  layers (Table 1)       depth 18, 34    50, 101, 152      of 224
    =====  =====================  ==============  ================  =======
    0      7x7 convolution        64 channels     64 channels       112
    1      max pooling, conv2_x   64              256               56
    2      conv3_x                128             512               28
    3      conv4_x                256             1024              14
    4      conv5_x                512             2048              7
    =====  =====================  ==============  ================  =======

    Args:
        depth: Layers with weights, a key of ``arch_settings``.
        groups: Groups of the bottlenecks' 3x3 convolutions; 32 or 64 in
            ResNeXt.
        base_width: Their channels per group in conv2_x, doubled from stage to
            stage: 4 in ResNeXt 32x4d, 128 in Wide ResNet-50-2.
        zero_init_residual: Whether the last norm of each block begins at 0,
            so that the block begins as its shortcut (Goyal et al.,
            arXiv:1706.02677, Sec. 5.1).
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after each convolution.
        pool_cfg: Layer in the place of ``nn.MaxPool2d``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torchvision's.

    Raises:
        ValueError: If ``depth`` is not in ``arch_settings``, has no
            bottlenecks to be grouped or widened, or if one of
            ``out_indices`` does not exist.
    """

    arch_settings = {  # block, blocks in conv2_x to conv5_x (Table 1)
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
        152: (Bottleneck, (3, 8, 36, 3)),
    }

    def __init__(
        self,
        depth: int,
        groups: int = 1,
        base_width: int = 64,
        zero_init_residual: bool = False,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
        pool_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg
            or [
                dict(type='Kaiming', layer='Conv2d'),  # fan_out, normal
                dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
            ]
        )
        if depth not in self.arch_settings:
            raise ValueError(f'depth {depth} not in {set(self.arch_settings)}')
        block, num_blocks = self.arch_settings[depth]
        self.conv1 = build_conv_layer(
            conv_cfg, in_channels, 64, 7, stride=2, padding=3, bias=False
        )
        self.bn1 = build_norm_layer(norm_cfg, 64)[1]
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = build_layer(pool_cfg, nn.MaxPool2d, 3, 2, 1)
        block_init = (
            dict(type='Constant', val=0, override=dict(name=block.last_norm))
            if zero_init_residual
            else None
        )
        before = 64
        for i, num in enumerate(num_blocks):
            channels, blocks = 64 * 2**i, []
            for j in range(num):
                stride = 2 if i > 0 and j == 0 else 1
                blocks.append(
                    block(
                        before,
                        channels,
                        stride,
                        groups,
                        base_width,
                        conv_cfg,
                        norm_cfg,
                        block_init,
                    )
                )
                before = channels * block.expansion
            # mmengine's: it hands the initialisation down to the blocks
            self.add_module(f'layer{i + 1}', Sequential(*blocks))
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        return (
            (self.conv1, self.bn1, self.relu),
            (self.maxpool, self.layer1),
            (self.layer2,),
            (self.layer3,),
            (self.layer4,),
        )
