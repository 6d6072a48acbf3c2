"""What the image classifiers have in common beyond mmpretrain's parts.

Legend: B images, C channels, H and W in pixels, K classes.
"""

from collections.abc import Sequence

from mmpretrain.models import ClsHead
from mmpretrain.models import ImageClassifier as MMPretrainClassifier
from torch import Tensor, nn

from projects.core.layers import Backbone, build_layer
from projects.registry import MODELS

RELU = dict(type='ReLU', inplace=True)


@MODELS.register_module()
class ImageClassifier(MMPretrainClassifier):
    """mmpretrain's classifier that can be trained in part.

    The three ways of transfer learning are one option:

    ================  ======================================================
    trainable_stages  what is trained
    ================  ======================================================
    None              everything
    1, 2, ...         the last stages of the backbone, and the head
    0                 the final layer of the head alone
    ================  ======================================================

    What is not trained keeps its weights, and its batch norm stays in eval
    mode. For 1 and more the backbone must be one of ours
    (:class:`projects.core.layers.Backbone`).

    Args:
        *args: Of mmpretrain's ``ImageClassifier``.
        trainable_stages: See above.
        **kwargs: Of mmpretrain's ``ImageClassifier``.

    Raises:
        ValueError: If the backbone has fewer stages, or none that are known.
    """

    _frozen: Sequence[str] = ()  # modules that are not trained

    def __init__(self, *args, trainable_stages: int | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if trainable_stages is None:
            return
        if isinstance(self.backbone, Backbone):
            self.backbone.freeze(trainable_stages)
        elif trainable_stages > 0:
            raise ValueError(
                f'trainable_stages {trainable_stages}: the stages of a '
                f'{type(self.backbone).__name__} are not known; it may have '
                'an option of its own, such as frozen_stages'
            )
        if trainable_stages == 0:
            trained = final_layers(self.head)
            self._frozen = [
                name
                for name, module in self.named_modules()
                if module._parameters and module not in trained
            ]
            for name in self._frozen:
                for parameter in self.get_submodule(name).parameters(False):
                    parameter.requires_grad_(False)
            self.train()

    def train(self, mode: bool = True) -> 'ImageClassifier':
        super().train(mode)
        for name in self._frozen:
            self.get_submodule(name).eval()
        return self


def final_layers(head: nn.Module) -> list[nn.Module]:
    """Layers whose outputs are the classes: the head's own ``final_layers``,
    else its last module with weights."""
    if hasattr(head, 'final_layers'):
        return list(head.final_layers())
    return [m for m in head.modules() if m._parameters][-1:]


@MODELS.register_module()
class MLPClsHead(ClsHead):
    """Linear layers on the pixels of a small map, as in LeNet to VGG.

    Takes the last of its maps, (B, in_channels, H, W); averages it to
    ``pool_size`` x ``pool_size`` pixels, which changes nothing at the input
    that the architecture is meant for; gives (B, K) logits. The linear layers
    are in ``classifier``, numbered as torchvision's.

    Args:
        num_classes: K.
        in_channels: Channels of the map.
        pool_size: Side of the averaged map, in pixels.
        hidden_channels: Widths of the layers before the last.
        dropouts: Probability of dropout before each linear layer, the last
            one's too; 0 for none. One for all where it is a number.
        act_cfg: Activation after each hidden layer.
        pool_cfg: Layer in the place of ``nn.AdaptiveAvgPool2d``.
        linear_cfg: Layer in the place of ``nn.Linear``.
        dropout_cfg: Layer in the place of ``nn.Dropout``.
        **kwargs: Of mmpretrain's ``ClsHead``.

    Raises:
        ValueError: If the number of dropouts is not that of linear layers.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        pool_size: int,
        hidden_channels: Sequence[int] = (4096, 4096),
        dropouts: float | Sequence[float] = 0.0,
        act_cfg: dict = RELU,
        pool_cfg: dict | None = None,
        linear_cfg: dict | None = None,
        dropout_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        widths = (in_channels * pool_size**2, *hidden_channels, num_classes)
        if isinstance(dropouts, (int, float)):
            dropouts = (dropouts,) * (len(widths) - 1)
        if len(dropouts) != len(widths) - 1:
            raise ValueError(
                f'{len(dropouts)} dropouts for {len(widths) - 1} linear layers'
            )
        self.avgpool = build_layer(pool_cfg, nn.AdaptiveAvgPool2d, pool_size)
        layers: list[nn.Module] = []
        for i, dropout in enumerate(dropouts):
            if dropout:
                layers.append(build_layer(dropout_cfg, nn.Dropout, float(dropout)))
            layers.append(build_layer(linear_cfg, nn.Linear, widths[i], widths[i + 1]))
            if i < len(dropouts) - 1:
                layers.append(MODELS.build(act_cfg))
        self.classifier = nn.Sequential(*layers)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """(B, hidden_channels[-1]): what the final layer sees."""
        return self.classifier[:-1](self.avgpool(feats[-1]).flatten(1))

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        return self.classifier[-1](self.pre_logits(feats))
