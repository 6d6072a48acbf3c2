"""What the architectures of several plugins are built of."""

from projects.core.layers.backbone import Backbone
from projects.core.layers.builders import build_layer

__all__ = ['Backbone', 'build_layer']
