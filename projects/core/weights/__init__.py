"""Reading checkpoints, and loading weights without leaving any in silence."""

from projects.core.weights.building import build_for
from projects.core.weights.convert import (
    RenamingRules,
    backbone_of,
    flatten_linear,
    rename,
    renamed_weights,
)
from projects.core.weights.initializer import Pretrained
from projects.core.weights.loading import (
    ConvertedStateDict,
    load_weights,
    register_converter,
)
from projects.core.weights.reading import check_file, read_checkpoint
from projects.core.weights.sources import read_weights
from projects.core.weights.writing import write_checkpoint

__all__ = [
    'ConvertedStateDict',
    'Pretrained',
    'RenamingRules',
    'backbone_of',
    'build_for',
    'check_file',
    'flatten_linear',
    'load_weights',
    'read_checkpoint',
    'read_weights',
    'register_converter',
    'rename',
    'renamed_weights',
    'write_checkpoint',
]
