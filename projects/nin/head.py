"""The head of Network in Network: a map per class, averaged (Sec. 3.2).

Legend: B images, H and W in pixels, K classes.
"""

from mmpretrain.models import ClsHead
from torch import Tensor, nn

from projects.core.layers import build_layer
from projects.nin.nin import MLPConv
from projects.registry import MODELS


@MODELS.register_module()
class NiNHead(ClsHead):
    """Pool, dropout, the fourth mlpconv layer and a global average.

    Takes the last of its maps, (B, in_channels, H, W), and gives (B, K)
    logits, none below 0: a ReLU follows the last convolution, too. No layer
    has weights after the average, so each of the K maps says where its class
    is.

    Args:
        num_classes: K.
        in_channels: Channels of the map.
        dropout: Probability of dropout before the layer.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        pool_cfg: Layer in the place of ``nn.MaxPool2d``.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is the backbone's.
        **kwargs: Of mmpretrain's ``ClsHead``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 384,
        dropout: float = 0.5,
        conv_cfg: dict | None = None,
        pool_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ) -> None:
        init_cfg = init_cfg or dict(type='Kaiming', layer='Conv2d', mode='fan_in')
        super().__init__(init_cfg=init_cfg, **kwargs)
        self.num_classes = num_classes
        self.pool = build_layer(pool_cfg, nn.MaxPool2d, 3, 2)
        self.dropout = nn.Dropout(dropout)
        self.block = MLPConv(in_channels, num_classes, 3, padding=1, conv_cfg=conv_cfg)

    def final_layers(self) -> list[nn.Module]:
        """All three convolutions: each has K channels, so none can keep its
        weights where the classes change."""
        return [self.block[i] for i in (0, 2, 4)]

    def class_maps(self, feats: tuple[Tensor, ...]) -> Tensor:
        """(B, K, H', W'): how much of each class is where."""
        return self.block(self.pre_logits(feats))

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """(B, in_channels, H', W'): what the final layers see."""
        return self.dropout(self.pool(feats[-1]))

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        return self.class_maps(feats).mean((2, 3))
