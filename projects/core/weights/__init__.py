"""Reading checkpoints, and loading weights without leaving any in silence."""
from projects.core.weights.loading import (
    Translation,
    load_weights,
    read_checkpoint,
    register_layout,
)
from projects.core.weights.published import read_published_classifier

__all__ = [
    'Translation', 'load_weights', 'read_checkpoint',
    'read_published_classifier', 'register_layout'
]
