"""CapsNet, after Sabour, Frosst, Hinton, "Dynamic Routing Between Capsules",
NIPS 2017, Sec. 4 and Fig. 1, https://arxiv.org/abs/1710.09829.

Shapes: B images, C channels, H and W in pixels. Differences from the paper:
README, "Notes".
"""

from collections.abc import Sequence

from mmcv.cnn import build_activation_layer, build_conv_layer
from mmpretrain.structures import DataSample
from torch import Tensor

from projects.core.layers import Backbone
from projects.core.layers.backbone import Stages
from projects.core.tasks.classification.classifier import ImageClassifier
from projects.registry import MODELS

RELU = dict(type='ReLU', inplace=True)


@MODELS.register_module()
class CapsNet(Backbone):
    """The convolutions of CapsNet; its capsules are the head's.

    Maps (B, in_channels, H, W) images to one map per index of ``out_indices``:

    =====  ==================================  ========  =======  ============
    index  layers                              channels  28 x 28  of H x W
    =====  ==================================  ========  =======  ============
    0      9x9 convolution, ReLU               256       20 x 20  H - 8
    1      9x9 convolution, stride 2, of the   256       6 x 6    (H - 15) // 2
           primary capsules, before the squash
    =====  ==================================  ========  =======  ============

    Args:
        in_channels: Channels of the image.
        channels: Channels of the two maps.
        out_indices: Maps to return; -1 is the last.
        trainable_stages: Train only so many of the last, see
            :meth:`projects.core.layers.Backbone.freeze`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        act_cfg: Activation after the first convolution.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torch's.

    Raises:
        ValueError: If one of ``out_indices`` does not exist.
    """

    def __init__(
        self,
        in_channels: int = 1,
        channels: Sequence[int] = (256, 256),
        out_indices: Sequence[int] = (-1,),
        trainable_stages: int | None = None,
        conv_cfg: dict | None = None,
        act_cfg: dict = RELU,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        first, last = channels
        self.conv = build_conv_layer(conv_cfg, in_channels, first, 9)
        self.act = build_activation_layer(act_cfg)
        self.primary = build_conv_layer(conv_cfg, first, last, 9, stride=2)
        self.select_stages(out_indices, trainable_stages)

    def stage_modules(self) -> Stages:
        return (self.conv, self.act), (self.primary,)


@MODELS.register_module()
class CapsNetClassifier(ImageClassifier):
    """A classifier whose head is given the images as well, to reconstruct them.

    Args:
        *args: Of :class:`projects.core.tasks.classification.ImageClassifier`.
        **kwargs: The same, by name.
    """

    def pixels(self, inputs: Tensor) -> Tensor:
        """The network's input, (B, C, H, W), as pixels in [0, 1].

        What ``mean`` and ``std`` of the data preprocessor did is undone.
        """
        mean = getattr(self.data_preprocessor, 'mean', None)
        if mean is not None:
            inputs = inputs * self.data_preprocessor.std + mean
        return inputs / 255

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        return self.head.loss(
            self.extract_feat(inputs), data_samples, images=self.pixels(inputs)
        )
