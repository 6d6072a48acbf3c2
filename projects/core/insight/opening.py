"""A config's model, to look at it rather than to run it."""

from mmengine.config import Config
from torch import nn

from projects.core.quiet import hushed
from projects.core.weights.memory import parameters_without_memory
from projects.registry import MODELS


def bare_model(cfg: Config) -> nn.Module:
    """The model of a config, without memory for its parameters where it can be built
    so. In the config's scope.
    """
    # where mmpretrain's configs have it; mmengine's runner does the same
    if 'data_preprocessor' in cfg:
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    with hushed():
        try:
            with parameters_without_memory():
                return MODELS.build(cfg.model)
        except (RuntimeError, NotImplementedError):  # it looks at its parameters
            return MODELS.build(cfg.model)
