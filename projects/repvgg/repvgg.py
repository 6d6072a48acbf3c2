"""RepVGG, after Ding et al., "RepVGG: Making VGG-style ConvNets Great Again",
CVPR 2021, Sec. 3 and Tables 2 and 3, https://arxiv.org/abs/2101.03697.

A block of three branches is trained, and the one 3x3 convolution that computes the
same is deployed.

Legend: B images, C channels, H and W in pixels, G groups. Differences from the
paper: README, "Notes".
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.modules.batchnorm import _BatchNorm

from projects.core.layers import Backbone
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

BN = dict(type='BN')
RELU = dict(type='ReLU', inplace=True)


def fuse_branches(weights: Mapping[str, Tensor], eps: float) -> dict[str, Tensor]:
    """The 3x3 convolution that a block's branches add up to (Sec. 3.3, Fig. 4).

    Each branch is linear in evaluation: a batch norm multiplies a channel by
    s = gamma / sqrt(var + eps) and adds beta - mean * s. A 1x1 kernel is a 3x3
    kernel that is 0 but in its middle, and the identity is the 1x1 kernel that is 1
    from each channel to itself. Convolution being linear in its kernel, the kernels
    are added up, and so are the biases; in float64.

    Args:
        weights: Of a block in training form: ``conv_kxk.conv.weight``
            (C_out, C_in / G, 3, 3), ``conv_kxk.bn.weight``, ``.bias``,
            ``.running_mean`` and ``.running_var`` (C_out,), those of ``conv_1x1``,
            and, where the block has it, ``identity.weight`` and so on.
        eps: Of the batch norms.

    Returns:
        'weight' (C_out, C_in / G, 3, 3) and 'bias' (C_out,), as precise as the
        kernels were.
    """

    def fold(kernel: Tensor, norm: str) -> tuple[Tensor, Tensor]:
        gamma, beta, mean, var = (
            weights[f'{norm}.{name}'].double()
            for name in ('weight', 'bias', 'running_mean', 'running_var')
        )
        scale = gamma / (var + eps).sqrt()
        return kernel.double() * scale.view(-1, 1, 1, 1), beta - mean * scale

    kernel = weights['conv_kxk.conv.weight']
    branches = [
        fold(kernel, 'conv_kxk.bn'),
        fold(pad(weights['conv_1x1.conv.weight'], (1, 1, 1, 1)), 'conv_1x1.bn'),
    ]
    if 'identity.weight' in weights:
        # within a group: C_in / G kernels lead to each of its channels
        groups = kernel.shape[0] // kernel.shape[1]
        branches.append(
            fold(nn.init.dirac_(torch.empty_like(kernel), groups), 'identity')
        )
    fused = (sum(parts).to(kernel.dtype) for parts in zip(*branches, strict=True))
    return dict(zip(('weight', 'bias'), fused, strict=True))


class RepVGGBlock(nn.Module):
    """relu(norm(conv3x3(x)) + norm(conv1x1(x)) + norm(x)), or relu(conv3x3(x)).

    Maps (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride),
    rounded up. The third branch, the identity, is there where the shapes of input
    and output are the same.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of the result.
        stride: Of the convolutions.
        groups: Groups of both convolutions.
        deploy: Whether it is the one convolution, with a bias.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation of each branch.
        act_cfg: Activation of the sum.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        groups: int,
        deploy: bool,
        conv_cfg: dict | None,
        norm_cfg: dict,
        act_cfg: dict,
    ) -> None:
        super().__init__()
        self.norm_cfg = norm_cfg

        def conv(kernel_size: int, stride: int, bias: bool) -> nn.Module:
            return build_conv_layer(
                conv_cfg,
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                padding=kernel_size // 2,
                groups=groups,
                bias=bias,
            )

        def norm() -> nn.Module:
            return build_norm_layer(norm_cfg, out_channels)[1]

        self.deploy = deploy
        if deploy:
            self.reparam_conv = conv(3, stride, bias=True)
        else:
            self.conv_kxk = nn.Sequential(
                OrderedDict(conv=conv(3, stride, bias=False), bn=norm())
            )
            # Forward skips pixels in place of a stride where there are few channels:
            # torch 2.15 crashes in the gradient of 1x1 kernels of less than 16
            # channels with stride 2 on a CPU, channels-last.
            self.skip = stride if in_channels < 16 else 1
            self.conv_1x1 = nn.Sequential(
                OrderedDict(conv=conv(1, stride // self.skip, bias=False), bn=norm())
            )
            has_identity = stride == 1 and in_channels == out_channels
            self.identity = norm() if has_identity else None
        self.act = build_activation_layer(act_cfg)

    @property
    def eps(self) -> float:
        """Of its batch norms, also of those that are gone.

        Raises:
            ValueError: If the norms are of another kind.
        """
        norm = build_norm_layer(self.norm_cfg, self.norm_cfg.get('num_groups', 1))[1]
        if not isinstance(norm, _BatchNorm):
            raise ValueError(
                f'norm_cfg {self.norm_cfg}: only batch norm can become a part of a '
                'convolution'
            )
        return norm.eps

    @torch.no_grad()
    def switch_to_deploy(self) -> None:
        """Replace the branches by the convolution that computes the same."""
        if self.deploy:
            return
        fused = fuse_branches(self.state_dict(), self.eps)
        conv = self.conv_kxk.conv  # on its device, and trained or not
        conv.weight.copy_(fused['weight'])
        conv.bias = nn.Parameter(fused['bias'], conv.weight.requires_grad)
        self.reparam_conv = conv
        del self.conv_kxk, self.conv_1x1, self.identity
        self.deploy = True

    def forward(self, x: Tensor) -> Tensor:
        if self.deploy:
            return self.act(self.reparam_conv(x))
        out = self.conv_1x1(x[..., :: self.skip, :: self.skip]) + self.conv_kxk(x)
        if self.identity is not None:
            out += self.identity(x)
        return self.act(out)


@MODELS.register_module()
class RepVGG(Backbone):
    """RepVGG without the classifier.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:

    =====  =============  =========  =============  =============
    index  channels       side       blocks of 'A'  blocks of 'B'
    =====  =============  =========  =============  =============
    0      min(64, 64 a)  1/2        1              1
    1      64 a           1/4        2              4
    2      128 a          1/8        4              6
    3      256 a          1/16       14             16
    4      512 b          1/32       1              1
    =====  =============  =========  =============  =============

    The first block of each stage has stride 2; sides are rounded up.

    Args:
        series: Number of blocks, a key of ``arch_settings``: 'A' for light
            networks, 'B' for deeper ones.
        a: Width of all stages but the last.
        b: Width of the last stage.
        groups: Groups of every second block's convolutions, 4 in "g4" (Sec. 3.4).
        deploy: Whether a block is one convolution, for prediction, see
            :meth:`switch_to_deploy`.
        in_channels: Channels of the image.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation of each branch.
        act_cfg: Activation after each block.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torch's own, as in the authors' code.

    Raises:
        ValueError: If ``series`` is not in ``arch_settings``, a width is not a
            multiple of ``groups``, one of ``out_indices`` does not exist, or a
            ``norm_cfg`` other than batch norm is to be deployed.
    """

    arch_settings = {'A': (2, 4, 14, 1), 'B': (4, 6, 16, 1)}  # Table 2

    def __init__(
        self,
        series: str,
        a: float,
        b: float,
        groups: int = 1,
        deploy: bool = False,
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict = BN,
        act_cfg: dict = RELU,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg
            or [
                dict(
                    type='Kaiming',
                    layer='Conv2d',
                    a=5**0.5,
                    mode='fan_in',
                    nonlinearity='leaky_relu',
                    distribution='uniform',
                ),
                dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
            ]
        )
        if series not in self.arch_settings:
            raise ValueError(f"series '{series}' not in {set(self.arch_settings)}")
        widths = [int(64 * a), int(128 * a), int(256 * a), int(512 * b)]
        if not all(width > 0 and width % groups == 0 for width in widths):
            raise ValueError(f'widths {widths}: not all are multiples of {groups}')
        settings = dict(
            deploy=deploy, conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg
        )
        before = min(64, widths[0])
        self.stem = RepVGGBlock(in_channels, before, 2, 1, **settings)
        if deploy:
            _ = self.stem.eps  # refuses what could not have been trained
        self.stages = nn.Sequential()
        for width, num in zip(widths, self.arch_settings[series], strict=True):
            blocks = []
            for i in range(num):
                blocks.append(
                    RepVGGBlock(
                        before,
                        width,
                        stride=2 if i == 0 else 1,
                        groups=groups if i % 2 else 1,
                        **settings,
                    )
                )
                before = width
            self.stages.append(nn.Sequential(*blocks))
        self.deploy = deploy
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        return (self.stem,), *((stage,) for stage in self.stages)

    def switch_to_deploy(self) -> None:
        """Replace each block by one 3x3 convolution, in place and for good.

        The maps of evaluation stay the same but for rounding. A further training
        would be that of a plain network.

        Raises:
            ValueError: If the normalisation is not batch norm.
        """
        for module in self.modules():
            if isinstance(module, RepVGGBlock):
                module.switch_to_deploy()
        self.deploy = True
