"""The three classifiers of GoogLeNet (Sec. 5, last paragraphs).

Legend: B images, C channels, H and W in pixels, K classes.
"""

from typing import NamedTuple

from mmpretrain.models import ClsHead
from torch import Tensor, nn

from projects.googlenet.googlenet import BN, ConvNormReLU, GoogLeNetMaps
from projects.registry import MODELS


class GoogLeNetLogits(NamedTuple):
    """What the three classifiers say in training, (B, K) each."""

    main: Tensor
    aux1: Tensor  # after 4a
    aux2: Tensor  # after 4d


class AuxiliaryClassifier(nn.Module):
    """Average to 4 x 4 pixels, 1 x 1 convolution, two linear layers.

    Maps (B, in_channels, H, W) to (B, K) logits.

    Args:
        in_channels: Channels of the map.
        num_classes: K.
        dropout: Probability of dropout before the last layer.
        paper_pool: Average over 5 x 5 pixels, stride 3, which makes 4 x 4 out
            of 14 x 14 and of no other size; else over what gives 4 x 4.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after the convolution; None for none.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dropout: float,
        paper_pool: bool,
        conv_cfg: dict | None,
        norm_cfg: dict | None,
    ) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(5, 3) if paper_pool else (nn.AdaptiveAvgPool2d(4))
        self.conv = ConvNormReLU(
            in_channels, 128, 1, conv_cfg=conv_cfg, norm_cfg=norm_cfg
        )
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU(True)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.pool(x)).flatten(1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


@MODELS.register_module()
class GoogLeNetHead(ClsHead):
    """Average, dropout and one linear layer; in training two classifiers more.

    The two sit halfway, after 4a and 4d, so that the layers before them get a
    gradient that has not come through all of the network. In eval mode they
    are not computed.

    Takes the :class:`GoogLeNetMaps` of a backbone with ``aux_maps``. Gives
    (B, K) logits, in training :class:`GoogLeNetLogits`.

    Args:
        num_classes: K.
        in_channels: Channels of the last map.
        aux_channels: Channels of the maps after 4a and 4d.
        dropout: Probability of dropout before the linear layer.
        aux_dropout: The same within the two classifiers.
        aux_weight: Weight of each of their two losses.
        paper_pool: See :class:`AuxiliaryClassifier`.
        conv_cfg: Layer in the place of ``nn.Conv2d``.
        norm_cfg: Normalisation after the convolutions; None for none.
        init_cfg: Initialisation, see :class:`mmengine.model.BaseModule`; the
            default is torchvision's, see the backbone.
        **kwargs: Of mmpretrain's ``ClsHead``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 1024,
        aux_channels: tuple[int, int] = (512, 528),
        dropout: float = 0.2,
        aux_dropout: float = 0.7,
        aux_weight: float = 0.3,
        paper_pool: bool = False,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = BN,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ) -> None:
        init_cfg = init_cfg or dict(type='Normal', layer=['Conv2d', 'Linear'], std=0.01)
        super().__init__(init_cfg=init_cfg, **kwargs)
        self.num_classes = num_classes
        self.aux_weight = aux_weight
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_channels, num_classes)
        self.aux1, self.aux2 = (
            AuxiliaryClassifier(
                channels, num_classes, aux_dropout, paper_pool, conv_cfg, norm_cfg
            )
            for channels in aux_channels
        )

    def final_layers(self) -> list[nn.Module]:
        """The three whose outputs are the classes."""
        return [self.fc, self.aux1.fc2, self.aux2.fc2]

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """(B, in_channels): what the final layer sees."""
        return self.dropout(feats[-1].mean((2, 3)))

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor | GoogLeNetLogits:
        """(B, K) logits, in training those of all three classifiers.

        Raises:
            ValueError: If the auxiliary maps are missing in training.
        """
        logits = self.fc(self.pre_logits(feats))
        if not self.training:
            return logits
        if not isinstance(feats, GoogLeNetMaps):
            raise ValueError(
                f'{len(feats)} maps, not those of the three classifiers: the '
                'backbone needs aux_maps=True, and no neck'
            )
        return GoogLeNetLogits(
            logits, self.aux1(feats.inception4a), self.aux2(feats.inception4d)
        )

    def _get_loss(
        self, cls_score: Tensor | GoogLeNetLogits, data_samples: list, **kwargs
    ) -> dict[str, Tensor]:
        if not isinstance(cls_score, GoogLeNetLogits):
            return super()._get_loss(cls_score, data_samples, **kwargs)
        losses = super()._get_loss(cls_score.main, data_samples, **kwargs)
        # not 'loss', by which the log calls their sum
        losses['loss_main'] = losses.pop('loss')
        for name in ('aux1', 'aux2'):
            logits = getattr(cls_score, name)
            loss = super()._get_loss(logits, data_samples, **kwargs)['loss']
            losses[f'loss_{name}'] = self.aux_weight * loss
        return losses
