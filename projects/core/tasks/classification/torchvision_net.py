"""torchvision's classifiers under our tools, to compare with."""

from collections.abc import Sequence

import torchvision
from mmengine.config import Config
from mmengine.model import BaseModule
from mmpretrain.models import ClsHead
from torch import Tensor

from projects.core.errors import UserError, did_you_mean
from projects.registry import MODELS


def torchvision_config(name: str) -> Config:
    """Config of the classifier that torchvision builds by a name.

    Args:
        name: As in ``torchvision.resnet18``.

    Raises:
        UserError: If torchvision has none of that name, with close ones.
    """
    arch = name.removeprefix('torchvision.')
    names = torchvision.models.list_models(module=torchvision.models)
    if arch not in names:
        raise UserError(
            f"torchvision has no classifier '{arch}'"
            + did_you_mean(arch, names, prefix='torchvision.')
        )
    return config_of_net('projects.TorchvisionNet', arch)


def config_of_net(type_: str, arch: str) -> Config:
    """Config of a whole classifier of another library, see :class:`LogitsHead`."""
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='projects.ImageClassifier',
                backbone=dict(type=type_, arch=arch),
                head=dict(type='projects.LogitsHead', num_classes=1000),
            ),
        )
    )


@MODELS.register_module()
class TorchvisionNet(BaseModule):
    """A whole classifier of torchvision, untrained, as a "backbone".

    Maps (B, 3, H, W) images to a tuple of its (B, 1000) logits; GoogLeNet's in
    training to three of them, the main ones first.

    Args:
        arch: Name of torchvision's constructor.
    """

    def __init__(self, arch: str) -> None:
        super().__init__()
        kwargs = dict(init_weights=False) if arch == 'googlenet' else {}
        self.net = getattr(torchvision.models, arch)(weights=None, **kwargs)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outs = self.net(x)
        if isinstance(outs, Tensor):
            return (outs,)
        return outs.logits, outs.aux_logits1, outs.aux_logits2


@MODELS.register_module()
class LogitsHead(ClsHead):
    """Losses of logits that are there already.

    Args:
        num_classes: Number of logits.
        aux_weight: Weight of the losses of all but the first logits.
        **kwargs: Of mmpretrain's ``ClsHead``.
    """

    def __init__(self, num_classes: int, aux_weight: float = 0.3, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.aux_weight = aux_weight

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        return feats if self.training and len(feats) > 1 else feats[0]

    def _get_loss(
        self, cls_score: Tensor | Sequence[Tensor], data_samples: list, **kwargs
    ) -> dict[str, Tensor]:
        scores = [cls_score] if isinstance(cls_score, Tensor) else cls_score
        losses = [
            super(LogitsHead, self)._get_loss(score, data_samples, **kwargs)['loss']
            for score in scores
        ]
        return dict(loss=losses[0] + self.aux_weight * sum(losses[1:]))
