"""Reading checkpoints, and loading weights without leaving any in silence."""

from projects.core.weights.initializer import Pretrained
from projects.core.weights.loading import (
    Translation,
    load_weights,
    read_checkpoint,
    register_layout,
)
from projects.core.weights.published import (
    RenamingRules,
    flatten_linear,
    rename,
    renamed_weights,
)
from projects.core.weights.sources import read_weights

__all__ = [
    'Pretrained',
    'RenamingRules',
    'Translation',
    'flatten_linear',
    'load_weights',
    'read_checkpoint',
    'read_weights',
    'register_layout',
    'rename',
    'renamed_weights',
]
