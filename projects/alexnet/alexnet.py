"""AlexNet, after Krizhevsky, Sutskever, Hinton, "ImageNet Classification with
Deep Convolutional Neural Networks", NIPS 2012, Sec. 3.5 and Fig. 2, and
Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
2014, https://arxiv.org/abs/1404.5997.

Shapes: B images, H and W in pixels. Differences from the papers: README,
"Notes".
"""

from collections.abc import Sequence

from mmcv.cnn import build_conv_layer
from torch import nn

from projects.core.layers import Backbone, build_layer
from projects.core.layers.backbone import Stages
from projects.registry import MODELS

# for a config that names it in lrn_cfg
MODELS.register_module(module=nn.LocalResponseNorm)


@MODELS.register_module()
class AlexNet(Backbone):
    """The convolutions of AlexNet; its linear layers are the head's.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``;
    channels are those of '2014' | '2012', sides those of an input of 224:

    =====  ==========================  =========  =======
    index  layers                      channels   side
    =====  ==========================  =========  =======
    0      conv1 (11 x 11, stride 4)   64 | 96    55 | 54
    1      pool, conv2 (5 x 5)         192 | 256  27 | 26
    2      pool, conv3 (3 x 3)         384        13 | 12
    3      conv4 (3 x 3)               256 | 384  13 | 12
    4      conv5 (3 x 3)               256        13 | 12
    5      pool                        256        6 | 5
    =====  ==========================  =========  =======

    A ReLU follows each convolution; the pools are 3 x 3 of stride 2, so they
    overlap. Layers are numbered as torchvision's.

    Args:
        arch: '2014', one tower of fewer channels, as in torchvision; '2012',
            the channels of the paper's two towers together.
        lrn_cfg: Local response normalisation after conv1 and conv2, as
            ``dict(type='projects.LocalResponseNorm')``; its other keys
            override the paper's constants. None for none.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        in_channels: Channels of the image.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        pool_cfg: Layer in the place of ``nn.MaxPool2d``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torch's own, as in torchvision.

    Raises:
        ValueError: If ``arch`` is not in ``arch_settings``, or one of
            ``out_indices`` does not exist.
    """

    # channels of conv1 to conv5, padding of conv1
    arch_settings = {
        '2014': ((64, 192, 384, 256, 256), 2),
        '2012': ((96, 256, 384, 384, 256), 1),
    }

    def __init__(
        self,
        arch: str = '2014',
        lrn_cfg: dict | None = None,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        in_channels: int = 3,
        conv_cfg: dict | None = None,
        pool_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if arch not in self.arch_settings:
            raise ValueError(f'arch {arch!r} not in {set(self.arch_settings)}')
        (c1, c2, c3, c4, c5), padding = self.arch_settings[arch]

        def conv(
            in_channels: int, channels: int, kernel_size: int, **kwargs
        ) -> tuple[nn.Module, nn.Module]:
            return build_conv_layer(
                conv_cfg, in_channels, channels, kernel_size, **kwargs
            ), nn.ReLU(True)

        def pool() -> nn.Module:
            return build_layer(pool_cfg, nn.MaxPool2d, 3, 2)

        self.features = nn.Sequential(
            *conv(in_channels, c1, 11, stride=4, padding=padding),
            pool(),
            *conv(c1, c2, 5, padding=2),
            pool(),
            *conv(c2, c3, 3, padding=1),
            *conv(c3, c4, 3, padding=1),
            *conv(c4, c5, 3, padding=1),
            pool(),
        )
        # Sec. 3.3: b = a / (k + alpha * sum of a^2 over n channels)^beta with
        # k = 2, n = 5, alpha = 1e-4, beta = 0.75; torch divides alpha by n.
        # Not in features, whose numbers are those of published weights.
        self.lrns = nn.ModuleList(
            build_layer(
                lrn_cfg, nn.LocalResponseNorm, size=5, alpha=5e-4, beta=0.75, k=2.0
            )
            for _ in range(2 if lrn_cfg is not None else 0)
        )
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        f = self.features
        return (
            (*f[:2], *self.lrns[:1]),
            (*f[2:5], *self.lrns[1:]),
            f[5:8],
            f[8:10],
            f[10:12],
            f[12:],
        )
