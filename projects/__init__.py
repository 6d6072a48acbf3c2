"""MMAtlas: deep-learning architectures as plugins of the MMEngine registries.

Importing this package makes mmcv's operators available without a compiler
(:mod:`projects.core.mmcv_ops`) and does nothing else; torch is not imported.
"""

from projects.core import imports, mmcv_ops
from projects.core.factory import create_model
from projects.core.variants import list_models

__version__ = '0.1.0'
__all__ = ['create_model', 'list_models']

imports.install()
mmcv_ops.install()
