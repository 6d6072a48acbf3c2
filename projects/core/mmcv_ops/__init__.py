"""mmcv's compiled operators without a compiler.

``mmcv.ops`` needs the extension ``mmcv._ext``, which most installations lack:
pip builds mmcv in isolation, where there is no torch to build it against.
:func:`install` puts :mod:`projects.core.mmcv_ops.ops` in its place, and leaves
a compiled extension alone. Nothing heavier than :mod:`importlib` is imported
before ``mmcv._ext`` is.
"""

import importlib
import logging
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

EXTENSION = 'mmcv._ext'
# Uninstalled first: pip takes an installed mmcv without operators for done.
COMPILE_COMMAND = (
    'pip uninstall -y onedl-mmcv && pip install '
    '--no-build-isolation --no-cache-dir onedl-mmcv'
)

logger = logging.getLogger(__name__)


def install() -> None:
    """Let ``mmcv._ext`` be imported on every machine; again does nothing."""
    if any(isinstance(finder, FallbackFinder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, CompiledFinder())
    sys.meta_path.append(FallbackFinder())  # last: whatever is compiled wins


def fill(module: ModuleType) -> None:
    """Give ``module`` the operators; those without a fallback raise."""
    ops = importlib.import_module(f'{__name__}.ops')
    for name in ops.__all__:
        setattr(module, name, getattr(ops, name))
    module.__getattr__ = ops.missing_op


class FallbackLoader(Loader):
    """Makes a module of the operators that need no compiler."""

    def exec_module(self, module: ModuleType) -> None:
        fill(module)


class FallbackFinder(MetaPathFinder):
    """Answers for ``mmcv._ext`` when no other finder does."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != EXTENSION:
            return None
        return ModuleSpec(fullname, FallbackLoader(), origin=__name__)


class CompiledLoader(Loader):
    """Loads a compiled ``mmcv._ext``, or the fallback if that is broken.

    One that was built for another torch has undefined symbols, which the
    dynamic linker finds on loading; a newer pybind11 checks on execution.

    Args:
        spec: Spec of the compiled extension, as found; changed to the
            fallback's if the extension does not load.
    """

    def __init__(self, spec: ModuleSpec) -> None:
        self.spec = spec
        self.compiled = spec.loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        try:
            return self.compiled.create_module(spec)
        except ImportError as error:
            self._give_up(error)
            return None  # for an empty one, which spec.loader then fills

    def exec_module(self, module: ModuleType) -> None:
        try:
            self.compiled.exec_module(module)
        except ImportError as error:
            self._give_up(error)
            fill(module)

    def _give_up(self, error: ImportError) -> None:
        reason = (str(error).splitlines() or ['no reason given'])[0]
        logger.warning(
            'the compiled operators of mmcv do not load, likely because they '
            'were built for another torch (%s); those of MMAtlas serve. To '
            'build them again: %s',
            reason,
            COMPILE_COMMAND,
        )
        self.spec.loader = FallbackLoader()
        self.spec.origin = __name__
        self.spec.has_location = False


class CompiledFinder(MetaPathFinder):
    """Finds only a compiled ``mmcv._ext``, and guards how it is loaded."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != EXTENSION:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = CompiledLoader(spec)
        return spec
