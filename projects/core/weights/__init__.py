"""Reading checkpoints, and loading weights without leaving any in silence."""
from projects.core.weights.loading import load_weights, read_checkpoint

__all__ = ['load_weights', 'read_checkpoint']
