"""Convolutions of YOLOv1, after Redmon et al., "You Only Look Once: Unified,
Real-Time Object Detection", CVPR 2016, Sec. 2.1 and Fig. 3,
https://arxiv.org/abs/1506.02640.

Shapes: N images, C channels, H and W in pixels.
"""
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.registry import MODELS

# Fig. 3 as (kernel, channels, stride), a tuple per resolution. The first 20
# convolutions are those that the paper trains on ImageNet before (Sec. 2.2).
PRETRAINED_20 = (
    ((7, 64, 2), ),
    ((3, 192, 1), ),
    ((1, 128, 1), (3, 256, 1), (1, 256, 1), (3, 512, 1)),
    ((1, 256, 1), (3, 512, 1)) * 4 + ((1, 512, 1), (3, 1024, 1)),
    ((1, 512, 1), (3, 1024, 1)) * 2,
)
SIX_THIN_STAGES = tuple(((3, 16 * 2**i, 1), ) for i in range(6))


@MODELS.register_module()
class YOLOv1Backbone(BaseModule):
    """The convolutions of YOLOv1: leaky ReLU of slope 0.1 after each.

    Maps (N, in_channels, H, W) images in [0, 1] to one map per index of
    ``out_indices``. A 2x2 max-pooling stands before each stage, except the
    first and those that begin with a convolution of stride 2.

    ============  =====  ===============================  ==================
    arch          convs  channels of the last stage       its stride
    ============  =====  ===============================  ==================
    full          24     1024                             64 (448 -> 7)
    extraction    20     1024                             32 (224 -> 7)
    fast          9      1024                             64
    tiny          8      256                              64
    mini          12     192                              16 (160 -> 10)
    ============  =====  ===============================  ==================

    ``extraction`` is the classifier's part of ``full`` and shares its names;
    ``fast`` is the Fast YOLO of Sec. 2.1 and ``tiny`` its successor with
    published weights; ``mini`` is ours, for small images on a CPU.

    Args:
        arch: A key of ``arch_settings``.
        in_channels: Channels of the image.
        out_indices: Stages whose maps are returned; -1 is the last.
        norm_cfg: Normalisation after each convolution, which then has no
            bias; None as in the paper.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is darknet's, a normal of variance 2 / fan-in.

    Raises:
        ValueError: If ``arch`` or one of ``out_indices`` does not exist.
    """
    arch_settings = {
        'full': (*PRETRAINED_20[:4], PRETRAINED_20[4] + ((3, 1024, 1), ),
                 ((3, 1024, 2), (3, 1024, 1), (3, 1024, 1))),
        'extraction': PRETRAINED_20,
        'fast': (*SIX_THIN_STAGES, ((3, 1024, 1), ) * 3),
        'tiny': (*SIX_THIN_STAGES, ((3, 1024, 1), (3, 256, 1))),
        'mini': (
            ((3, 24, 2), ),
            ((3, 48, 1), (1, 24, 1), (3, 48, 1)),
            ((3, 96, 1), (1, 48, 1), (3, 96, 1)),
            ((3, 192, 1), (1, 96, 1), (3, 192, 1), (1, 96, 1), (3, 192, 1)),
        ),
    }

    def __init__(self,
                 arch: str = 'full',
                 in_channels: int = 3,
                 out_indices: Sequence[int] = (-1, ),
                 norm_cfg: dict | None = None,
                 init_cfg: dict | list[dict] | None = None) -> None:
        if init_cfg is None:
            init_cfg = dict(
                type='Kaiming', layer='Conv2d', mode='fan_in',
                nonlinearity='relu')
        super().__init__(init_cfg)
        if arch not in self.arch_settings:
            raise ValueError(
                f"arch '{arch}' is none of {', '.join(self.arch_settings)}")
        settings = self.arch_settings[arch]
        if not all(-len(settings) <= i < len(settings) for i in out_indices):
            raise ValueError(f'out_indices {tuple(out_indices)}: arch '
                             f"'{arch}' has {len(settings)} stages")
        self.out_indices = sorted(i % len(settings) for i in out_indices)
        self.stages = nn.ModuleList()
        for i, convs in enumerate(settings):
            layers = []
            if i > 0 and convs[0][2] == 1:
                layers.append(nn.MaxPool2d(2, 2))
            for kernel, channels, stride in convs:
                layers.append(
                    ConvModule(
                        in_channels, channels, kernel, stride, kernel // 2,
                        norm_cfg=norm_cfg,
                        act_cfg=dict(type='LeakyReLU', negative_slope=0.1)))
                in_channels = channels
            self.stages.append(nn.Sequential(*layers))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)
