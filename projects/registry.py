"""The registries of MMAtlas, children of MMEngine's, with scope ``projects``.

A folder below ``projects/`` is a plugin: the first look-up imports all of
them, so that no config needs ``custom_imports`` for one. A distribution of
its own joins by an entry point of the group ``mmatlas.plugins``, whose value
is the module to import.
"""

import importlib
import pkgutil
from importlib.metadata import entry_points

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

import projects
from projects.core.errors import UserError, did_you_mean
from projects.core.quiet import quiet_libraries

ENTRY_POINT_GROUP = 'mmatlas.plugins'
# rooms of core that register something
CORE_MODULES = (
    'projects.core.tasks.classification.classifier',
    'projects.core.tasks.classification.accuracy',
    'projects.core.tasks.classification.report',
    'projects.core.tasks.detection.coco_metric',
    'projects.core.tasks.detection.pictures_hook',
    'projects.core.datasets',
    'projects.core.engine',
    'projects.core.tasks.classification.torchvision_net',
    'projects.core.weights',
)

failed_plugins: dict[str, Exception] = {}
_found = False


def find_plugins() -> dict[str, str]:
    """Module to import per plugin: the folders here, then entry points."""
    plugins = {
        module.name: f'projects.{module.name}'
        for module in pkgutil.iter_modules(projects.__path__)
        if module.ispkg and module.name != 'core'
    }
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        plugins.setdefault(entry_point.name, entry_point.value)
    return plugins


def import_plugins() -> None:
    """Import every plugin once; one that fails is noted and left out."""
    global _found
    if _found:
        return
    _found = True  # first: the imports below look names up themselves
    quiet_libraries()
    for module in CORE_MODULES:
        importlib.import_module(module)
    for name, module in find_plugins().items():
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever it is, it hurts this plugin only
            failed_plugins[name] = error


def plugin_failures() -> str:
    """A line per plugin that could not be imported, and why."""
    return ''.join(
        f"\nplugin '{plugin}' could not be imported: {type(error).__name__}: {error}"
        for plugin, error in failed_plugins.items()
    )


class UnknownTypeError(UserError):
    """There is no class of that ``name`` in a registry of MMAtlas."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class PluginRegistry(Registry):
    """A registry of scope ``projects`` that fills itself with the plugins."""

    def __init__(self, name: str, parent: Registry) -> None:
        super().__init__(name, parent=parent, scope='projects')

    def import_from_location(self) -> None:
        import_plugins()

    def get(self, key: str) -> type | None:
        """Class of that name.

        Raises:
            UnknownTypeError: If there is none: with close names, and with each
                plugin that could not be imported and why.
        """
        scope, name = self.split_scope_key(key)
        if scope not in (None, self.scope):
            return super().get(key)
        import_plugins()
        if name in self.module_dict:
            return self.module_dict[name]
        if scope is None:
            try:
                found = super().get(key)  # from an ancestor
            except RuntimeError:
                found = None
            if found is not None:
                return found
        raise UnknownTypeError(name, self._not_found(name))

    def _not_found(self, name: str) -> str:
        return (
            f"there is no '{name}' among the {self.name}s of MMAtlas"
            + did_you_mean(name, self.module_dict, 0.5, f'{self.scope}.')
            + plugin_failures()
        )


MODELS = PluginRegistry('model', mmengine_registry.MODELS)
DATASETS = PluginRegistry('dataset', mmengine_registry.DATASETS)
DATA_SAMPLERS = PluginRegistry('data sampler', mmengine_registry.DATA_SAMPLERS)
TRANSFORMS = PluginRegistry('transform', mmengine_registry.TRANSFORMS)
METRICS = PluginRegistry('metric', mmengine_registry.METRICS)
HOOKS = PluginRegistry('hook', mmengine_registry.HOOKS)
RUNNERS = PluginRegistry('runner', mmengine_registry.RUNNERS)
LOOPS = PluginRegistry('loop', mmengine_registry.LOOPS)
FUNCTIONS = PluginRegistry('function', mmengine_registry.FUNCTIONS)
TASK_UTILS = PluginRegistry('task util', mmengine_registry.TASK_UTILS)
PARAM_SCHEDULERS = PluginRegistry(
    'parameter scheduler', mmengine_registry.PARAM_SCHEDULERS
)
OPTIM_WRAPPER_CONSTRUCTORS = PluginRegistry(
    'optimizer wrapper constructor', mmengine_registry.OPTIM_WRAPPER_CONSTRUCTORS
)
WEIGHT_INITIALIZERS = PluginRegistry(
    'weight initializer', mmengine_registry.WEIGHT_INITIALIZERS
)
VISUALIZERS = PluginRegistry('visualizer', mmengine_registry.VISUALIZERS)
