"""ConvNeXt, after Liu et al., "A ConvNet for the 2020s", CVPR 2022, Sec. 2 and
Appendix A, https://arxiv.org/abs/2201.03545.

Legend: B images, C channels, H and W in pixels. Differences from the paper:
README, "Notes".
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import Tensor, nn
from torchvision.models.convnext import LayerNorm2d

from projects.core.layers import Backbone, StochasticDepth
from projects.core.layers.backbone import LayerGroups, Stages
from projects.registry import MODELS

# nn.LayerNorm over C of (B, C, H, W). mmpretrain's LN2d gives the same but copies
# a channels-last map back to channels-first.
MODELS.register_module('LayerNorm2d', module=LayerNorm2d)

LN = dict(type='projects.LayerNorm2d', eps=1e-6)
GELU = dict(type='GELU')
POINTWISE = ('auto', 'conv', 'linear')


class Pointwise(nn.Linear):
    """A 1x1 convolution: the same linear layer at every pixel.

    Maps (B, in_features, H, W) to (B, out_features, H, W). The weight is
    (out_features, in_features) in every form, so that a file fits all of them.

    Args:
        in_features: Channels of the input.
        out_features: Channels of the output.
        form: See ``pointwise`` of :class:`ConvNeXt`; can be set at any time.
    """

    def __init__(self, in_features: int, out_features: int, form: str) -> None:
        super().__init__(in_features, out_features)
        self.form = form

    def forward(self, x: Tensor) -> Tensor:
        if self.form == 'conv':
            return F.conv2d(x, self.weight[:, :, None, None], self.bias)
        # C last; both permutations change the strides alone
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """x + layer_scale * residual(x) (Fig. 4, right).

    The residual is a depthwise convolution, a norm, and two pointwise layers, four
    times as wide between them, with the block's one activation. Maps (B, C, H, W) to
    the same. The names of the weights are torchvision's, whose permutations are
    layers 1 and 6 of ``block``.

    Args:
        channels: C.
        layer_scale: First value of the factors, one for each channel.
        stochastic_depth_prob: Probability that an image loses the residual.
        kernel_size: Of the depthwise convolution.
        pointwise: See :class:`ConvNeXt`, as the others.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation.
        act_cfg: Activation.
    """

    def __init__(
        self,
        channels: int,
        layer_scale: float,
        stochastic_depth_prob: float,
        kernel_size: int,
        pointwise: str,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        self.block = nn.Sequential(
            OrderedDict(
                (
                    (
                        '0',
                        build_conv_layer(
                            conv_cfg,
                            channels,
                            channels,
                            kernel_size,
                            padding=kernel_size // 2,
                            groups=channels,
                        ),
                    ),
                    ('2', build_norm_layer(norm_cfg, channels)[1]),
                    ('3', Pointwise(channels, 4 * channels, pointwise)),
                    ('4', build_activation_layer(act_cfg)),
                    ('5', Pointwise(4 * channels, channels, pointwise)),
                )
            )
        )
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), layer_scale))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, 'row')

    def forward(self, x: Tensor) -> Tensor:
        # an image loses its residual by factors of 0: they are few, a map is large
        scale = self.stochastic_depth(self.layer_scale.expand(len(x), -1, -1, -1))
        return torch.addcmul(x, scale, self.block(x))
