"""The road from ResNet-50 to ConvNeXt-T, after Liu et al., "A ConvNet for the 2020s",
CVPR 2022, Sec. 2, Fig. 2, https://arxiv.org/abs/2201.03545.

Legend: B images, C channels, H and W in pixels. What the paper leaves open: README,
"The road from ResNet-50".
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from mmcv.cnn import build_activation_layer, build_norm_layer
from torch import Tensor, nn

from projects.convnext.convnext import LN
from projects.core.errors import did_you_mean
from projects.core.layers import Backbone
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

# What each step of Sec. 2 changes, one after the other. The first has all options,
# and is ResNet-50; the last is ConvNeXt-T.
STEPS = {
    'resnet50': dict(
        depths=(3, 4, 6, 3),
        width=64,
        patch_stem=False,
        depthwise=False,
        block='bottleneck',
        kernel_size=3,
        act_cfg=dict(type='ReLU', inplace=True),
        few_activations=False,
        few_norms=False,
        norm_cfg=dict(type='BN'),
        separate_downsampling=False,
        layer_scale=None,
    ),
    'stage-ratio': dict(depths=(3, 3, 9, 3)),
    'patchify-stem': dict(patch_stem=True),
    'depthwise': dict(depthwise=True),
    'width': dict(width=96),
    'inverted-bottleneck': dict(block='inverted'),
    'depthwise-first': dict(block='depthwise-first'),
    'kernel-7': dict(kernel_size=7),
    'gelu': dict(act_cfg=dict(type='GELU')),
    'fewer-activations': dict(few_activations=True),
    'fewer-norms': dict(few_norms=True),
    'layer-norm': dict(norm_cfg=LN),
    'separate-downsampling': dict(separate_downsampling=True),
    'layer-scale': dict(layer_scale=1e-6),
}
BLOCKS = ('bottleneck', 'inverted', 'depthwise-first')


def options_of(step: str) -> dict:
    """What :class:`RoadConvNet` is made of after a step and all before it.

    Raises:
        ValueError: If ``step`` is not in ``STEPS``.
    """
    if step not in STEPS:
        raise ValueError(f"step '{step}' not in {list(STEPS)}")
    options: dict = {}
    for name, change in STEPS.items():
        options.update(change)
        if name == step:
            break
    return options


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    padding: int | None = None,
    norm_cfg: dict | None = None,
) -> list[nn.Module]:
    """A convolution and its norm, if it has one.

    Batch norm takes away what a bias adds; layer norm does not, as its mean is of
    all channels.
    """
    has_batch_norm = norm_cfg is not None and norm_cfg['type'] == 'BN'
    padding = kernel_size // 2 if padding is None else padding
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups=groups,
            bias=not has_batch_norm,
        )
    ]
    if norm_cfg is not None:
        layers.append(build_norm_layer(norm_cfg, out_channels)[1])
    return layers


class RoadBlock(nn.Module):
    """residual(x) + shortcut(x), where the residual has three convolutions.

    ===============  ================  ======================
    block            convolutions      channels where C is 64
    ===============  ================  ======================
    bottleneck       1x1, k x k, 1x1   256, 64, 64, 256
    inverted         1x1, k x k, 1x1   64, 256, 256, 64
    depthwise-first  k x k, 1x1, 1x1   64, 64, 256, 64
    ===============  ================  ======================

    Maps (B, in_channels, H, W) to (B, C, H / stride, W / stride), rounded up; 4 C
    where it is a bottleneck.

    Args:
        in_channels: Channels of x.
        channels: C, the width of the stage.
        stride: Of the k x k convolution; the shortcut is a 1x1 convolution where
            the shapes of x and the output differ.
        options: Of :func:`options_of`.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int, options: dict
    ) -> None:
        super().__init__()
        block, act_cfg = options['block'], options['act_cfg']
        wide = 4 * channels
        out_channels = wide if block == 'bottleneck' else channels
        widths = {
            'bottleneck': (in_channels, channels, channels, out_channels),
            'inverted': (in_channels, wide, wide, out_channels),
            'depthwise-first': (in_channels, in_channels, wide, out_channels),
        }[block]
        spatial = 0 if block == 'depthwise-first' else 1  # which one is k x k
        norm_cfg = options['norm_cfg']
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(widths)):
            is_spatial = i == spatial
            layers += conv_norm(
                before,
                after,
                options['kernel_size'] if is_spatial else 1,
                stride if is_spatial else 1,
                groups=before if is_spatial and options['depthwise'] else 1,
                norm_cfg=norm_cfg if is_spatial or not options['few_norms'] else None,
            )
            # a Transformer's has one, before its last linear layer
            if i == 1 or (i == 0 and not options['few_activations']):
                layers.append(build_activation_layer(act_cfg))
        self.residual = nn.Sequential(*layers)
        self.layer_scale = None
        if options['layer_scale'] is not None:
            self.layer_scale = nn.Parameter(
                torch.full((out_channels, 1, 1), options['layer_scale'])
            )
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                *conv_norm(
                    in_channels,
                    out_channels,
                    1,
                    stride,
                    norm_cfg=None if options['few_norms'] else norm_cfg,
                )
            )
        self.act = nn.Identity()
        if not options['few_activations']:
            self.act = build_activation_layer(act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        out = self.residual(x)
        if self.layer_scale is not None:
            out = self.layer_scale * out
        return self.act(out + self.shortcut(x))


@MODELS.register_module()
class RoadConvNet(Backbone):
    """ResNet-50, ConvNeXt-T, and what is between them, step by step.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``, of
    strides 4, 8, 16 and 32.

    Args:
        step: A key of ``STEPS``: its change and all before it are made.
        changes: Options in the place of the step's, as ``dict(kernel_size=11)``; the
            first of ``STEPS`` has them all.
        width_mult: Factor of all widths, for a CPU.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is ConvNeXt's, for all steps.

    Raises:
        ValueError: If there is no such step, option, block, or index.
    """

    def __init__(
        self,
        step: str,
        changes: dict | None = None,
        width_mult: float = 1.0,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg or dict(type='TruncNormal', layer='Conv2d', std=0.02, bias=0.0)
        )
        options = options_of(step)
        for name in changes or {}:
            if name not in options:
                raise ValueError(
                    f"changes: there is no option '{name}'"
                    + did_you_mean(name, options)
                )
        options.update(changes or {})
        if options['block'] not in BLOCKS:
            raise ValueError(f"block '{options['block']}' not in {list(BLOCKS)}")
        norm_cfg = options['norm_cfg']
        channels = [int(options['width'] * width_mult) * 2**i for i in range(4)]
        if options['patch_stem']:
            stem = conv_norm(
                in_channels, channels[0], 4, 4, padding=0, norm_cfg=norm_cfg
            )
        else:
            stem = conv_norm(in_channels, channels[0], 7, 2, norm_cfg=norm_cfg)
        if not options['few_activations']:
            stem.append(build_activation_layer(options['act_cfg']))
        if not options['patch_stem']:
            stem.append(nn.MaxPool2d(3, 2, 1))
        self.stem = nn.Sequential(*stem)
        self.stages = nn.ModuleList()
        before = channels[0]
        for i, (width, depth) in enumerate(
            zip(channels, options['depths'], strict=True)
        ):
            layers: list[nn.Module] = []
            stride = 1 if i == 0 else 2
            if stride == 2 and options['separate_downsampling']:
                layers += [
                    build_norm_layer(norm_cfg, before)[1],
                    nn.Conv2d(before, before * 2, 2, 2),
                ]
                before, stride = before * 2, 1
            for j in range(depth):
                layers.append(
                    RoadBlock(before, width, stride if j == 0 else 1, options)
                )
                before = 4 * width if options['block'] == 'bottleneck' else width
            self.stages.append(nn.Sequential(*layers))
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        first, *others = self.stages
        return (self.stem, first), *((stage,) for stage in others)
