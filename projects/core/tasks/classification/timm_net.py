"""timm's classifiers under our tools, to compare with, where timm is installed."""

import importlib

from mmengine.config import Config
from mmengine.model import BaseModule
from torch import Tensor

from projects.core.errors import UserError, did_you_mean
from projects.core.tasks.classification.torchvision_net import config_of_net
from projects.registry import MODELS


def timm_config(name: str) -> Config:
    """Config of the classifier that timm builds by a name.

    Args:
        name: As in ``timm.resnet18``.

    Raises:
        UserError: If timm is not installed, or has none of that name.
    """
    try:
        timm = importlib.import_module('timm')
    except ImportError as error:
        raise UserError(f'{name}: timm is not installed; pip install timm') from error
    arch = name.removeprefix('timm.')
    if not timm.is_model(arch):
        raise UserError(
            f"timm has no classifier '{arch}'"
            + did_you_mean(arch, timm.list_models(), prefix='timm.')
        )
    return config_of_net('projects.TimmNet', arch)


@MODELS.register_module()
class TimmNet(BaseModule):
    """A whole classifier of timm, untrained, as a "backbone".

    Maps (B, 3, H, W) images to a tuple of its (B, 1000) logits.

    Args:
        arch: Name that timm's ``create_model`` takes.
    """

    def __init__(self, arch: str) -> None:
        super().__init__()
        timm = importlib.import_module('timm')
        self.net = timm.create_model(arch, pretrained=False, num_classes=1000)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.net(x),)
