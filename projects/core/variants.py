"""The model variants: files of ``configs/_base_/models``; nothing else lists them."""

import fnmatch
from pathlib import Path

from projects.core.values import TEXT, checked


def config_root() -> Path:
    """Folder of the configs: the checkout's, or the one a wheel carries."""
    package = Path(__file__).resolve().parents[1]
    installed = package / '.mim' / 'configs'
    return installed if installed.is_dir() else package.parent / 'configs'


@checked(pattern=TEXT)
def list_models(pattern: str = '*') -> list[str]:
    """Names of the variants that match a shell pattern, as ``'yolo*'``."""
    names = (p.stem for p in (config_root() / '_base_/models').glob('*.py'))
    return sorted(fnmatch.filter(names, pattern))
