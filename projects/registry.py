"""The registries of MMAtlas, children of MMEngine's, with scope ``projects``.

A folder below ``projects/`` is a plugin; no config needs ``custom_imports`` for one.
A look-up imports what defines the name, found by reading the sources, and nothing
else: a classifier does not import the detectors, nor the libraries that these need.
Only a name that is found nowhere imports all plugins, to say what there is. A
distribution of its own joins by an entry point of the group ``mmatlas.plugins``, whose
value is the module to import.
"""

import importlib
import pkgutil
import re
from collections import defaultdict
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

import projects
from projects.core.errors import UserError, did_you_mean
from projects.core.quiet import quiet_libraries

ENTRY_POINT_GROUP = 'mmatlas.plugins'
# registers layers of torch, which no source of ours defines
LAYERS = 'projects.core.layers'
REGISTERED = re.compile(r'^@[A-Z_]+\.register_module\(\)\n(?:class|def) (\w+)', re.M)

failed_plugins: dict[str, Exception] = {}
_importing_all = False


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


@cache
def modules_of() -> dict[str, list[str]]:
    """Modules to import by the name that they register, out of their sources.

    Of a plugin that is the whole plugin, of core the module itself.
    """
    modules = defaultdict(list)
    for folder in map(Path, projects.__path__):
        for file in sorted(folder.glob('*/**/*.py')):
            parts = file.relative_to(folder).with_suffix('').parts
            module = '.'.join(
                ('projects', *(parts if parts[0] == 'core' else parts[:1]))
            )
            for name in REGISTERED.findall(file.read_text(encoding='utf-8')):
                if module not in modules[name]:
                    modules[name].append(module)
    return dict(modules)


def import_plugin(name: str, module: str) -> None:
    """Import a plugin; one that fails is noted, and left out from then on."""
    if name in failed_plugins:
        return
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever it is, it hurts this plugin only
        failed_plugins[name] = error


def import_definition(name: str) -> None:
    """Import what registers ``name``, as far as the sources tell."""
    quiet_libraries()
    importlib.import_module(LAYERS)
    for module in modules_of().get(name, ()):
        if module.startswith('projects.core.'):
            importlib.import_module(module)  # an error in it is ours: it is shown
        else:
            import_plugin(module.rpartition('.')[2], module)


def import_plugins() -> None:
    """Import all of core that registers something, and every plugin."""
    global _importing_all
    if _importing_all:  # the imports below look names up themselves
        return
    _importing_all = True
    try:
        for name in modules_of():
            import_definition(name)
        for name, module in find_plugins().items():
            import_plugin(name, module)
    finally:
        _importing_all = False


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
        """Nothing: :meth:`get` imports what it is asked for."""

    def get(self, key: str) -> type | None:
        """Class of that name.

        Raises:
            UnknownTypeError: If there is none: with close names, and with each
                plugin that could not be imported and why.
        """
        scope, name = self.split_scope_key(key)
        if scope not in (None, self.scope):
            return super().get(key)
        if name not in self.module_dict:
            import_definition(name)
        if name in self.module_dict:
            return self.module_dict[name]
        if scope is None:
            try:
                found = super().get(key)  # from an ancestor
            except RuntimeError:
                found = None
            if found is not None:
                return found
        import_plugins()
        if name in self.module_dict:
            return self.module_dict[name]
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
LOG_PROCESSORS = PluginRegistry('log processor', mmengine_registry.LOG_PROCESSORS)
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
VISBACKENDS = PluginRegistry('visualizer backend', mmengine_registry.VISBACKENDS)
