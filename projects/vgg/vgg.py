"""VGG, after Simonyan, Zisserman, "Very Deep Convolutional Networks for
Large-Scale Image Recognition", ICLR 2015, Sec. 2 and Table 1,
https://arxiv.org/abs/1409.1556.

Shapes: B images, H and W in pixels. Differences from the paper: README,
"Notes".
"""

from collections.abc import Sequence

from mmcv.cnn import build_conv_layer, build_norm_layer
from torch import nn

from projects.core.layers import Backbone, build_layer
from projects.core.layers.backbone import Stages
from projects.registry import MODELS


@MODELS.register_module()
class VGG(Backbone):
    """The convolutions of VGG; its linear layers are the head's.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:
    (B, channels[i], H / 2**i, W / 2**i), rounded down, for the stages 0 to 4,
    after their last ReLU; stage 5 is the pool after stage 4.

    Args:
        depth: Layers with weights in the whole network, the head's three too:
            11, 13, 16 or 19 (A, B, D and E of the paper's Table 1).
        channels: Of the five stages.
        norm_cfg: Normalisation after each convolution; None for none.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        in_channels: Channels of the image.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        pool_cfg: Layer in the place of ``nn.MaxPool2d``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is He's by outgoing connections, as in torchvision.

    Raises:
        ValueError: If ``depth`` is not in ``arch_settings``, there are not
            five ``channels``, or one of ``out_indices`` does not exist.
    """

    # convolutions per stage
    arch_settings = {
        11: (1, 1, 2, 2, 2),
        13: (2, 2, 2, 2, 2),
        16: (2, 2, 3, 3, 3),
        19: (2, 2, 4, 4, 4),
    }

    def __init__(
        self,
        depth: int,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        norm_cfg: dict | None = None,
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        in_channels: int = 3,
        conv_cfg: dict | None = None,
        pool_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            init_cfg or dict(type='Kaiming', layer='Conv2d', mode='fan_out')
        )
        if depth not in self.arch_settings:
            raise ValueError(f'depth {depth} not in {set(self.arch_settings)}')
        if len(channels) != 5:
            raise ValueError(f'{len(channels)} channels for 5 stages')
        layers: list[nn.Module] = []
        # first layer of each stage; published weights number them all in one
        self._starts = [0]
        for width, num_convs in zip(channels, self.arch_settings[depth], strict=True):
            for _ in range(num_convs):
                layers.append(
                    build_conv_layer(conv_cfg, in_channels, width, 3, padding=1)
                )
                if norm_cfg is not None:
                    layers.append(build_norm_layer(norm_cfg, width)[1])
                layers.append(nn.ReLU(True))
                in_channels = width
            self._starts.append(len(layers))
            layers.append(build_layer(pool_cfg, nn.MaxPool2d, 2, 2))
        self.features = nn.Sequential(*layers)
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        ends = (*self._starts[1:], len(self.features))
        return [
            self.features[start:end]
            for start, end in zip(self._starts, ends, strict=True)
        ]
