"""DenseNet-BC, after Huang et al., "Densely Connected Convolutional Networks",
CVPR 2017, Sec. 3 and Table 1, https://arxiv.org/abs/1608.06993.

Legend: B images, C channels, H and W in pixels, k the growth rate. Differences
from the paper: README, "Notes".
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from projects.core.layers import Backbone, build_layer
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

BN = dict(type='BN')


class DenseLayer(nn.Module):
    """H_l of Eq. 2: k new maps from all maps so far.

    Args:
        in_channels: Channels of all maps so far.
        growth_rate: k.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation before each convolution.
    """

    def __init__(
        self, in_channels: int, growth_rate: int, conv_cfg: dict | None, norm_cfg: dict
    ) -> None:
        super().__init__()
        width = 4 * growth_rate  # Sec. 3, "Bottleneck layers"
        self.norm1 = build_norm_layer(norm_cfg, in_channels)[1]
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = build_conv_layer(conv_cfg, in_channels, width, 1, bias=False)
        self.norm2 = build_norm_layer(norm_cfg, width)[1]
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = build_conv_layer(
            conv_cfg, width, growth_rate, 3, padding=1, bias=False
        )

    def bottleneck(self, *maps: Tensor) -> Tensor:
        """Maps (B, C_i, H, W), whose C_i sum to ``in_channels``, to
        (B, 4k, H, W)."""
        x = torch.cat(maps, 1) if len(maps) > 1 else maps[0]
        return self.conv1(self.relu1(self.norm1(x)))

    def expand(self, x: Tensor) -> Tensor:
        """(B, 4k, H, W) to (B, k, H, W)."""
        return self.conv2(self.relu2(self.norm2(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(self.bottleneck(x))


@contextmanager
def statistics_kept(norm: nn.Module) -> Iterator[None]:
    """Batch norm that does not count a batch again into its statistics."""
    if not isinstance(norm, _BatchNorm):
        yield
        return
    before = norm.momentum, norm.num_batches_tracked
    norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        norm.momentum, norm.num_batches_tracked = before


class DenseBlock(nn.Sequential):
    """Layers at one size of map: (B, C, H, W) to (B, C + layers * k, H, W).

    Args:
        num_layers: Number of layers.
        in_channels: C.
        growth_rate: k.
        memory_efficient: See :class:`DenseNet`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation before each convolution.
    """

    def __init__(
        self,
        num_layers: int,
        in_channels: int,
        growth_rate: int,
        memory_efficient: bool,
        conv_cfg: dict | None,
        norm_cfg: dict,
    ) -> None:
        super().__init__(
            OrderedDict(
                (
                    f'denselayer{i + 1}',
                    DenseLayer(
                        in_channels + i * growth_rate, growth_rate, conv_cfg, norm_cfg
                    ),
                )
                for i in range(num_layers)
            )
        )
        self.memory_efficient = memory_efficient

    def forward(self, x: Tensor) -> Tensor:
        if self.memory_efficient and torch.is_grad_enabled():
            maps = [x]
            for layer in self:
                # keeps the k maps alone: what was joined and normalised for
                # conv1, which grows from layer to layer, is made again
                bottleneck = checkpoint(
                    layer.bottleneck,
                    *maps,
                    use_reentrant=False,
                    context_fn=lambda norm=layer.norm1: (
                        nullcontext(),
                        statistics_kept(norm),
                    ),
                )
                maps.append(layer.expand(bottleneck))
            return torch.cat(maps, 1)
        for layer in self:
            x = torch.cat((x, layer(x)), 1)
        return x


def transition(
    in_channels: int, conv_cfg: dict | None, norm_cfg: dict, pool_cfg: dict | None
) -> nn.Sequential:
    """Between two blocks: (B, C, H, W) to (B, C / 2, H / 2, W / 2).

    The paper's compression is 0.5 (Sec. 3, "Compression").
    """
    return nn.Sequential(
        OrderedDict(
            norm=build_norm_layer(norm_cfg, in_channels)[1],
            relu=nn.ReLU(inplace=True),
            conv=build_conv_layer(
                conv_cfg, in_channels, in_channels // 2, 1, bias=False
            ),
            pool=build_layer(pool_cfg, nn.AvgPool2d, 2, 2),
        )
    )


@MODELS.register_module()
class DenseNet(Backbone):
    """DenseNet-BC without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``;
    channels of depth 121:

    =====  ====================================  ========  =======  =====
    index  layers (Table 1)                      channels  of 224   layers
    =====  ====================================  ========  =======  =====
    0      7x7 convolution                       64        112      1
    1      max pooling, dense block 1            256       56       6
    2      transition 1, dense block 2           512       28       12
    3      transition 2, dense block 3           1024      14       24
    4      transition 3, dense block 4, norm     1024      7        16
    =====  ====================================  ========  =======  =====

    Args:
        depth: Layers with weights, a key of ``arch_settings``.
        memory_efficient: Whether a training step computes the normalised
            inputs of the bottlenecks twice instead of keeping them (Pleiss et
            al., arXiv:1707.06990): less memory, more time, the same results.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation before each convolution.
        pool_cfg: Layer in the place of the stem's ``nn.MaxPool2d``.
        transition_pool_cfg: Layer in the place of the transitions'
            ``nn.AvgPool2d``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torchvision's.

    Raises:
        ValueError: If ``depth`` is not in ``arch_settings`` or if one of
            ``out_indices`` does not exist.
    """

    arch_settings = {  # k, channels of the stem, layers of the dense blocks
        121: (32, 64, (6, 12, 24, 16)),
        161: (48, 96, (6, 12, 36, 24)),
        169: (32, 64, (6, 12, 32, 32)),
        201: (32, 64, (6, 12, 48, 32)),
    }

    def __init__(
        self,
        depth: int,
        memory_efficient: bool = False,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
        pool_cfg: dict | None = None,
        transition_pool_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg
            or [
                dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
                dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
            ]
        )
        if depth not in self.arch_settings:
            raise ValueError(f'depth {depth} not in {set(self.arch_settings)}')
        growth_rate, channels, num_layers = self.arch_settings[depth]
        self.features = nn.Sequential(
            OrderedDict(
                conv0=build_conv_layer(
                    conv_cfg, in_channels, channels, 7, stride=2, padding=3, bias=False
                ),
                norm0=build_norm_layer(norm_cfg, channels)[1],
                relu0=nn.ReLU(inplace=True),
                pool0=build_layer(pool_cfg, nn.MaxPool2d, 3, 2, 1),
            )
        )
        for i, num in enumerate(num_layers, start=1):
            if i > 1:
                self.features.add_module(
                    f'transition{i - 1}',
                    transition(channels, conv_cfg, norm_cfg, transition_pool_cfg),
                )
                channels //= 2
            self.features.add_module(
                f'denseblock{i}',
                DenseBlock(
                    num, channels, growth_rate, memory_efficient, conv_cfg, norm_cfg
                ),
            )
            channels += num * growth_rate
        self.features.add_module('norm5', build_norm_layer(norm_cfg, channels)[1])
        self.features.add_module('relu5', nn.ReLU(inplace=True))
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        layers = self.features
        return layers[:3], layers[3:5], layers[5:7], layers[7:9], layers[9:]
