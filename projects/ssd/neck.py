"""Extra layers of SSD (paper, Fig. 2; SSDLite: MobileNetV2, Sec. 6.2).

Shapes: N images, C channels, H and W in positions.
"""

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.registry import MODELS


class L2Norm(nn.Module):
    """Each position's vector of C channels brought to length 1, then every
    channel times a learned scale (Liu et al., "ParseNet", Sec. 3.3,
    https://arxiv.org/abs/1506.04579).

    conv4_3 has greater values than the maps after it, which would drown
    theirs; the scale begins at 20 (SSD, Sec. 3.1).
    """

    def __init__(self, channels: int, scale: float = 20.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(scale)))

    def forward(self, x: Tensor) -> Tensor:
        squares = x.float().square().sum(1, keepdim=True)
        scale = self.weight[:, None, None] * squares.clamp(min=1e-20).rsqrt()
        return x * scale.to(x)


@MODELS.register_module()
class SSDNeck(BaseModule):
    """Smaller and smaller maps after a backbone's.

    Passes on the backbone's maps, (N, C, H, W) each, and adds one per entry of
    ``extras``: a 1x1 convolution to half its channels, then the one that is
    stated, each with an activation.

    Args:
        in_channels: Channels of the backbone's maps.
        extras: (channels, kernel, stride, padding) of each map to add.
        l2_norm_scale: Scale of :class:`L2Norm` on the first map, None for no
            such layer.
        use_depthwise: Whether the second convolution of each is a depthwise
            and a 1x1 one, as in SSDLite.
        norm_cfg: Normalisation after each convolution, which then has no
            bias; None as in the paper.
        act_cfg: Activation.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is the paper's, Xavier's.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        extras: Sequence[tuple[int, int, int, int]],
        l2_norm_scale: float | None = None,
        use_depthwise: bool = False,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg or dict(type='Xavier', layer='Conv2d', distribution='uniform')
        )
        if l2_norm_scale is not None:
            self.l2_norm = L2Norm(in_channels[0], l2_norm_scale)
        styles = dict(norm_cfg=norm_cfg, act_cfg=act_cfg or dict(type='ReLU'))
        second = DepthwiseSeparableConvModule if use_depthwise else ConvModule
        self.extra_layers = nn.ModuleList()
        last = in_channels[-1]
        for channels, kernel, stride, padding in extras:
            self.extra_layers.append(
                nn.Sequential(
                    ConvModule(last, channels // 2, 1, **styles),
                    second(channels // 2, channels, kernel, stride, padding, **styles),
                )
            )
            last = channels

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        outs = list(feats)
        for layer in self.extra_layers:
            outs.append(layer(outs[-1]))
        if hasattr(self, 'l2_norm'):
            outs[0] = self.l2_norm(outs[0])
        return tuple(outs)
