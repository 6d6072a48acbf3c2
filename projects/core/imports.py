"""Imports that the libraries attempt and a model does without.

``mmpretrain.models`` tries to import mmdet for the sake of one layer,
``ResLayerExtraNorm``; ``mmdet.models`` tries to import mmpretrain for its models of
re-identification. Each goes without where the other is not installed, and each takes
a second or two. So a classifier imports no mmdet and a detector no mmpretrain, unless
the config names one of these few or the other library is there already.
"""

import re
import sys
from importlib.abc import MetaPathFinder

# what is refused while which module is being imported, and who needs it all the same
DETOURS = {
    'mmdet': ('mmpretrain.models', r'ResLayerExtraNorm'),
    'mmpretrain': ('mmdet.models', r'\w*ReID\w*'),
}


class DetourFinder(MetaPathFinder):
    """Finds nothing, and refuses the imports of :data:`DETOURS`."""

    def __init__(self) -> None:
        self.allowed: set[str] = set()

    def find_spec(self, fullname, path, target=None) -> None:
        importer, _ = DETOURS.get(fullname, (None, None))
        if importer is None or fullname in self.allowed:
            return
        spec = getattr(sys.modules.get(importer), '__spec__', None)
        if getattr(spec, '_initializing', False):
            raise ModuleNotFoundError(
                f'{importer} does without {fullname}', name=fullname
            )


def install() -> None:
    """Refuse the detours from now on; again does nothing."""
    if not any(isinstance(finder, DetourFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, DetourFinder())


def allow_for(types: set[str]) -> None:
    """Allow the detours that one of these types of a config needs."""
    for finder in sys.meta_path:
        if isinstance(finder, DetourFinder):
            finder.allowed |= {
                name
                for name, (_, needed) in DETOURS.items()
                if any(re.fullmatch(rf'(\w+\.)*{needed}', type_) for type_ in types)
            }
