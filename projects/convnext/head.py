"""ConvNeXt's classifier (Liu et al., CVPR 2022, Sec. 2.6 and Table 9).

Legend: B images, C channels, H and W in pixels, K classes.
"""

from mmcv.cnn import build_norm_layer
from mmpretrain.models import ClsHead
from torch import Tensor, nn

from projects.convnext.convnext import LN
from projects.registry import MODELS


@MODELS.register_module()
class ConvNeXtClsHead(ClsHead):
    """Average over the pixels, norm, linear layer.

    Takes the last of its maps, (B, in_channels, H, W); gives (B, K) logits. The
    weights are in ``classifier``, numbered as torchvision's.

    Args:
        num_classes: K.
        in_channels: Channels of the map.
        init_scale: Factor of the linear layer's first weights and biases. For
            fine-tuning, where the head is new and the backbone is not: with 0.001
            all classes begin equally likely, and hardly anything is handed down to
            the backbone until the head has learnt something.
        norm_cfg: Normalisation of the averages.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is the paper's and torchvision's.
        **kwargs: Of mmpretrain's ``ClsHead``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        init_scale: float = 1.0,
        norm_cfg: dict = LN,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(
            init_cfg=init_cfg
            or dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
            **kwargs,
        )
        self.init_scale = init_scale
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            build_norm_layer(norm_cfg, in_channels)[1],
            nn.Flatten(),
            nn.Linear(in_channels, num_classes),
        )

    def init_weights(self) -> None:
        super().init_weights()
        for parameter in self.classifier[-1].parameters():
            parameter.data.mul_(self.init_scale)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """(B, C): what the final layer sees."""
        return self.classifier[:-1](self.avgpool(feats[-1]))

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        return self.classifier[-1](self.pre_logits(feats))
