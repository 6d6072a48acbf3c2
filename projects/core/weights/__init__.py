"""Reading checkpoints, and loading weights without leaving any in silence."""
from projects.core.weights.loading import (
    Translation,
    load_weights,
    read_checkpoint,
    register_layout,
)

__all__ = ['Translation', 'load_weights', 'read_checkpoint', 'register_layout']
