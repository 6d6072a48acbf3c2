"""GoogLeNet, after Szegedy et al., "Going Deeper with Convolutions", CVPR
2015, Sec. 4 and 5, Table 1, https://arxiv.org/abs/1409.4842.

Shapes: B images, C channels, H and W in pixels. Differences from the paper:
README, "Notes".
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import Tensor, nn

from projects.core.layers import Backbone, build_layer
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

BN = dict(type='BN', eps=1e-3)


class ConvNormReLU(nn.Module):
    """Convolution that keeps H and W but for its stride, norm, ReLU.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        kernel_size: Odd; zeros are padded by half of it.
        stride: Of the convolution.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation, which brings the bias; None for a bias alone.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int,
        stride: int = 1,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        self.conv = build_conv_layer(
            conv_cfg,
            in_channels,
            channels,
            kernel_size,
            stride,
            kernel_size // 2,
            bias=norm_cfg is None,
        )
        self.bn = (
            nn.Identity()
            if norm_cfg is None
            else (build_norm_layer(norm_cfg, channels)[1])
        )
        self.relu = nn.ReLU(True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class GoogLeNetMaps(NamedTuple):
    """What the three classifiers of GoogLeNet look at, by the module's name.

    A tuple of maps as any backbone's; the last is the main classifier's.
    """

    inception4a: Tensor  # (B, 512, H / 16, W / 16)
    inception4d: Tensor  # (B, 528, H / 16, W / 16)
    inception5b: Tensor  # (B, 1024, H / 32, W / 32)


class Inception(nn.Module):
    """Four branches on the same map, their channels one after the other.

    The 1 x 1 convolutions before the wide ones take channels away, which makes
    those cheap (Sec. 4, Fig. 2(b)).

    Args:
        in_channels: Channels of the input.
        wide_1x1: Channels of the 1 x 1 branch.
        branch_3x3: Channels of the reduction and of the 3 x 3.
        branch_5x5: Channels of the reduction and of the 5 x 5.
        wide_pool: Channels of the projection after the pool.
        kernel_5x5: Kernel of the third branch: the paper's 5, or 3.
        pool_cfg: Layer in the place of ``nn.MaxPool2d``.
        **cfgs: ``conv_cfg`` and ``norm_cfg`` of :class:`ConvNormReLU`.
    """

    def __init__(
        self,
        in_channels: int,
        wide_1x1: int,
        branch_3x3: tuple[int, int],
        branch_5x5: tuple[int, int],
        wide_pool: int,
        kernel_5x5: int,
        pool_cfg: dict | None,
        **cfgs: dict | None,
    ) -> None:
        super().__init__()
        reduced_3x3, wide_3x3 = branch_3x3
        reduced_5x5, wide_5x5 = branch_5x5
        self.branch1 = ConvNormReLU(in_channels, wide_1x1, 1, **cfgs)
        self.branch2 = nn.Sequential(
            ConvNormReLU(in_channels, reduced_3x3, 1, **cfgs),
            ConvNormReLU(reduced_3x3, wide_3x3, 3, **cfgs),
        )
        self.branch3 = nn.Sequential(
            ConvNormReLU(in_channels, reduced_5x5, 1, **cfgs),
            ConvNormReLU(reduced_5x5, wide_5x5, kernel_5x5, **cfgs),
        )
        self.branch4 = nn.Sequential(
            build_layer(pool_cfg, nn.MaxPool2d, 3, 1, 1),
            ConvNormReLU(in_channels, wide_pool, 1, **cfgs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1
        )


@MODELS.register_module()
class GoogLeNet(Backbone):
    """The convolutions of GoogLeNet; its three classifiers are the head's.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:

    =====  =========================  ========  =======
    index  layers                     channels  of H, W
    =====  =========================  ========  =======
    0      conv1 (7 x 7, stride 2)    64        1 / 2
    1      pool, conv2, conv3         192       1 / 4
    2      pool, inception 3a and 3b  480       1 / 8
    3      pool, inception 4a to 4e   832       1 / 16
    4      pool, inception 5a and 5b  1024      1 / 32
    =====  =========================  ========  =======

    Of sides that do not divide, conv1 and a last pool of 2 x 2 round up, the
    pools of 3 x 3 down.

    Args:
        arch: 'torchvision' has 3 x 3 kernels in the branch of 5 x 5 and a
            last pool of 2 x 2; 'paper' has 5 x 5 and 3 x 3.
        aux_maps: Return :class:`GoogLeNetMaps`, with the maps after 4a and 4d
            before the last, for :class:`projects.googlenet.GoogLeNetHead`.
            Only where the last stage alone is asked for: a detector gets none
            but its own maps.
        norm_cfg: Normalisation after each convolution; None for none.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        in_channels: Channels of the image.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        pool_cfg: Layer in the place of ``nn.MaxPool2d``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torchvision's, whose truncation lies at 200 standard
            deviations. It needs a norm.

    Raises:
        ValueError: If ``arch`` is not in ``arch_settings``, or one of
            ``out_indices`` does not exist.
    """

    # kernels of the third branch and of the last pool
    arch_settings = {'torchvision': (3, 2), 'paper': (5, 3)}

    def __init__(
        self,
        arch: str = 'torchvision',
        aux_maps: bool = False,
        norm_cfg: dict | None = BN,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        in_channels: int = 3,
        conv_cfg: dict | None = None,
        pool_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        if arch not in self.arch_settings:
            raise ValueError(f'arch {arch!r} not in {set(self.arch_settings)}')
        kernel_5x5, last_pool = self.arch_settings[arch]
        cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)

        def pool(kernel_size: int) -> nn.Module:
            return build_layer(pool_cfg, nn.MaxPool2d, kernel_size, 2, ceil_mode=True)

        inception = partial(Inception, kernel_5x5=kernel_5x5, pool_cfg=pool_cfg, **cfgs)
        self.conv1 = ConvNormReLU(in_channels, 64, 7, 2, **cfgs)
        self.maxpool1 = pool(3)
        self.conv2 = ConvNormReLU(64, 64, 1, **cfgs)
        self.conv3 = ConvNormReLU(64, 192, 3, **cfgs)
        self.maxpool2 = pool(3)
        # the channels of Table 1, a line for each of its rows
        self.inception3a = inception(192, 64, (96, 128), (16, 32), 32)
        self.inception3b = inception(256, 128, (128, 192), (32, 96), 64)
        self.maxpool3 = pool(3)
        self.inception4a = inception(480, 192, (96, 208), (16, 48), 64)
        self.inception4b = inception(512, 160, (112, 224), (24, 64), 64)
        self.inception4c = inception(512, 128, (128, 256), (24, 64), 64)
        self.inception4d = inception(512, 112, (144, 288), (32, 64), 64)
        self.inception4e = inception(528, 256, (160, 320), (32, 128), 128)
        self.maxpool4 = pool(last_pool)
        self.inception5a = inception(832, 256, (160, 320), (32, 128), 128)
        self.inception5b = inception(832, 384, (192, 384), (48, 128), 128)
        self.select_stages(out_indices, trainable_stages)
        self.aux_maps = aux_maps and self.out_indices == (4,)

    def stage_modules(self) -> Stages:
        return (
            (self.conv1,),
            (self.maxpool1, self.conv2, self.conv3),
            (self.maxpool2, self.inception3a, self.inception3b),
            (
                self.maxpool3,
                self.inception4a,
                self.inception4b,
                self.inception4c,
                self.inception4d,
                self.inception4e,
            ),
            (self.maxpool4, self.inception5a, self.inception5b),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.forward_aux(x) if self.aux_maps else super().forward(x)

    def forward_aux(self, x: Tensor) -> GoogLeNetMaps:
        """The maps of the three classifiers, in training and in eval mode."""
        for stage in self.stage_modules():
            for module in stage:
                x = module(x)
                if module is self.inception4a:
                    inception4a = x
                elif module is self.inception4d:
                    inception4d = x
        return GoogLeNetMaps(inception4a, inception4d, x)
