"""Saying which entry of a config a library's error is about."""

import inspect
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry, root

from projects.core.config.walk import key_paths, optim_wrappers_of
from projects.core.errors import UserError, did_you_mean
from projects.registry import UnknownTypeError, plugin_failures


def _registries(registry: Registry) -> Iterator[Registry]:
    """A registry's root with all of its descendants."""
    registries = [registry.root]
    while registries:
        registry = registries.pop()
        yield registry
        registries += registry.children.values()


@contextmanager
def explained(cfg: Config) -> Iterator[None]:
    """Turn the library's error on a mistake in the config into ours.

    Raises:
        UserError: Naming the config, the key's path in it and close names.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) and not isinstance(error, UnknownTypeError):
            raise
        message = _explain(ConfigDict(cfg._cfg_dict), error)
        if message is None:
            raise
        raise UserError(f'{cfg.filename or "the config"}: {message}') from error


def _explain(config: ConfigDict, error: Exception) -> str | None:
    """What is wrong in the config, None where the error is no sign of it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, UnknownTypeError):
        paths = key_paths(config, 'type', f'projects.{error.name}')
        return f'{paths[0]}: {error}' if paths else str(error)
    unknown = re.match(
        r'Failed to get ([\w.]+)$|'
        r"'?([\w.]+) is not in the .+ registry",
        str(error),
    )
    if isinstance(error, (RuntimeError, KeyError)) and unknown:
        return _unknown_type(
            config,
            unknown[1] or unknown[2],
            [
                f.f_locals['self']
                for f in frames
                if isinstance(f.f_locals.get('self'), Registry)
            ][-1:],
        )
    if 'None is not a callable' in str(error):
        # MMEngine asks for the signature of what it has not found
        types = [w.optimizer.get('type') for w in optim_wrappers_of(config).values()]
        for name in types:
            if isinstance(name, str) and root.OPTIMIZERS.get(name) is None:
                return _unknown_type(config, name, [root.OPTIMIZERS])
    if 'must contain the key "type"' in str(error):
        return (
            "a part has no 'type': "
            + str(error.args[0]).partition('but got ')[2].partition('\n')[0]
        )
    unexpected = re.search(
        r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error)
    )
    if isinstance(error, TypeError) and unexpected:
        cls_name, name = unexpected.groups()
        paths = key_paths(config, name)
        return (
            (
                f"{paths[0]}: {cls_name} takes no '{name}'"
                + did_you_mean(name, _argument_names(cls_name, frames))
            )
            if paths
            else None
        )
    if isinstance(error, (ValueError, AssertionError)) and str(error):
        built = _built_class(frames)
        inits = [
            i
            for i, f in enumerate(frames)
            if f.f_code.co_name == '__init__'
            and built
            and isinstance(f.f_locals.get('self'), built)
        ]
        # refused by the constructor, or by what it calls of ours
        if inits and all(
            f.f_globals['__name__'].startswith('projects.')
            for f in frames[inits[-1] + 1 :]
        ):
            paths = [
                path
                for scope in ('', 'projects.')
                for path in key_paths(config, 'type', scope + built.__name__)
            ]
            return f'{paths[0].rpartition(".")[0]}: {error}' if paths else None
    return None


def _unknown_type(
    config: ConfigDict, name: str, registries: list[Registry]
) -> str | None:
    paths = key_paths(config, 'type', name)
    if not paths:
        return None
    default = config.get('default_scope', 'mmengine')
    names = {
        key if registry.scope in ('mmengine', default) else f'{registry.scope}.{key}'
        for top in registries or [root.MODELS]
        for registry in _registries(top)
        for key in registry.module_dict
    }
    return (
        f"{paths[0]}: there is no type '{name}'"
        + did_you_mean(name, names)
        + (plugin_failures() if name.startswith('projects.') else '')
    )


def _built_class(frames: list) -> type | None:
    """The class that a registry was building when it failed."""
    classes = [f.f_locals['obj_cls'] for f in frames if 'obj_cls' in f.f_locals]
    return classes[-1] if classes and inspect.isclass(classes[-1]) else None


def _argument_names(cls_name: str, frames: list) -> set[str]:
    """Constructor arguments of the class whose building failed."""
    # one that no registry builds, as DataLoader, is known where it is called
    cls = frames[-1].f_globals.get(cls_name) or _built_class(frames)
    names: set[str] = set()
    for base in getattr(cls, '__mro__', ()):  # passed upwards as **kwargs
        if '__init__' in vars(base):
            names |= set(inspect.signature(base.__init__).parameters)
    return names - {'self', 'args', 'kwargs'}
