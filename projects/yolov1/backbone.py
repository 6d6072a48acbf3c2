"""Convolutions of YOLOv1, after Redmon et al., "You Only Look Once: Unified,
Real-Time Object Detection", CVPR 2016, Sec. 2.1 and Fig. 3,
https://arxiv.org/abs/1506.02640.

Shapes: N images, C channels, H and W in pixels.
"""

from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from projects.core.layers import Backbone
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

# (kernel, channels, stride), a tuple per resolution
EXTRACTION = (
    ((7, 64, 2),),
    ((3, 192, 1),),
    ((1, 128, 1), (3, 256, 1), (1, 256, 1), (3, 512, 1)),
    ((1, 256, 1), (3, 512, 1)) * 4 + ((1, 512, 1), (3, 1024, 1)),
    ((1, 512, 1), (3, 1024, 1)) * 2,
)
SIX_THIN_STAGES = tuple(((3, 16 * 2**i, 1),) for i in range(6))
# darknet draws a convolution from a normal of variance 2 / fan-in
DARKNET_CONV_INIT = dict(
    type='Kaiming', layer='Conv2d', mode='fan_in', nonlinearity='relu'
)


def conv_block(
    in_channels: int, kernel: int, channels: int, stride: int, norm_cfg: dict | None
) -> ConvModule:
    """Convolution, norm where there is one, leaky ReLU of slope 0.1."""
    return ConvModule(
        in_channels,
        channels,
        kernel,
        stride,
        kernel // 2,
        norm_cfg=norm_cfg,
        act_cfg=dict(type='LeakyReLU', negative_slope=0.1),
    )


@MODELS.register_module()
class YOLOv1Backbone(Backbone):
    """The convolutions that YOLOv1 shares with an image classifier.

    Maps (N, in_channels, H, W) images in [0, 1] to one map per index of
    ``out_indices``. A 2x2 max-pooling stands before each stage but the first.

    ==========  =====  ========  ======  ==================================
    arch        convs  channels  stride
    ==========  =====  ========  ======  ==================================
    extraction  20     1024      32      pretrained on ImageNet (Sec. 2.2)
    fast        9      1024      64      Fast YOLO (Sec. 2.1)
    tiny        8      256       64      its successor in darknet
    mini        12     192       16      ours, small images on a CPU
    ==========  =====  ========  ======  ==================================

    Args:
        arch: A key of ``arch_settings``.
        in_channels: Channels of the image.
        out_indices: Stages whose maps are returned; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        norm_cfg: Normalisation after each convolution, which then has no
            bias; None as in the paper.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is darknet's.

    Raises:
        ValueError: If ``arch`` or one of ``out_indices`` does not exist.
    """

    arch_settings = {
        'extraction': EXTRACTION,
        'fast': (*SIX_THIN_STAGES, ((3, 1024, 1),) * 3),
        'tiny': (*SIX_THIN_STAGES, ((3, 1024, 1), (3, 256, 1))),
        'mini': (
            ((3, 24, 2),),
            ((3, 48, 1), (1, 24, 1), (3, 48, 1)),
            ((3, 96, 1), (1, 48, 1), (3, 96, 1)),
            ((3, 192, 1), (1, 96, 1), (3, 192, 1), (1, 96, 1), (3, 192, 1)),
        ),
    }

    def __init__(
        self,
        arch: str = 'extraction',
        in_channels: int = 3,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or DARKNET_CONV_INIT)
        if arch not in self.arch_settings:
            raise ValueError(
                f"arch '{arch}' is none of {', '.join(self.arch_settings)}"
            )
        settings = self.arch_settings[arch]
        self.stages = nn.ModuleList()
        for i, convs in enumerate(settings):
            layers = [nn.MaxPool2d(2, 2)] if i > 0 else []
            for kernel, channels, stride in convs:
                layers.append(
                    conv_block(in_channels, kernel, channels, stride, norm_cfg)
                )
                in_channels = channels
            self.stages.append(nn.Sequential(*layers))
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        return [(stage,) for stage in self.stages]


@MODELS.register_module()
class YOLOv1Neck(BaseModule):
    """The four convolutions that turn the classifier into a detector.

    Maps the last of its inputs, (N, in_channels, H, W), to one
    (N, channels, H / 2, W / 2) map (Sec. 2.2 and Fig. 3).

    Args:
        in_channels: Channels of the last map.
        channels: Channels of each convolution.
        norm_cfg: Normalisation after each; None as in the paper.
        init_cfg: Initialisation; the default is darknet's.
    """

    def __init__(
        self,
        in_channels: int = 1024,
        channels: int = 1024,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or DARKNET_CONV_INIT)
        self.convs = nn.Sequential(
            *(
                conv_block(
                    in_channels if i == 0 else channels, 3, channels, stride, norm_cfg
                )
                for i, stride in enumerate((1, 2, 1, 1))
            )
        )

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (self.convs(feats[-1]),)
