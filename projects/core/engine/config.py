"""Reading a config, and finding the user's mistakes in it."""
import ast
import difflib
import inspect
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry, root
from mmengine.runner import Runner

from projects.core.errors import UserError
from projects.core.factory import config_root

# what a Runner reads of a config besides the arguments of its constructor
RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) | {
    'activation_checkpointing', 'compile', 'custom_imports',
    'efficient_conv_bn_eval', 'find_unused_parameters', 'model_wrapper_cfg',
    'runner_type', 'sync_bn'
}


def close_names(name: str, names, cutoff: float = 0.6) -> list[str]:
    """At most three of ``names`` like ``name``, the closest first."""
    return difflib.get_close_matches(name, sorted(names), 3, cutoff)


def did_you_mean(name: str, names, cutoff: float = 0.6) -> str:
    """"; did you mean ...?", or nothing where no name is close."""
    close = close_names(name, names, cutoff)
    return f"; did you mean '{' or '.join(close)}'?" if close else ''


def find_config(path: str) -> Path:
    """A config's file: the path itself, or one below the installed configs.

    Raises:
        UserError: If there is none, with the closest names.
    """
    candidates = [Path(path), config_root() / path,
                  config_root().parent / path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = {
        p.name: p for p in config_root().rglob('*.py')
        if '_base_' not in p.parts
    }
    close = close_names(Path(path).name, known, 0.5)
    here = Path.cwd()
    shown = [
        str(known[c].relative_to(here) if known[c].is_relative_to(here) else
            known[c].relative_to(config_root())) for c in close
    ]
    raise UserError(f'no config {path}' + (
        '; did you mean\n  ' + '\n  '.join(shown) if shown else
        f'; the configs are in {config_root()}'))


def load_config(path: str, cfg_options: list[str] | None = None) -> Config:
    """Read a config, merge ``key.sub=value`` options, look for misspellings.

    Raises:
        UserError: If the file is missing or malformed, an option is none, or
            a key is one letter or two from a known one.
    """
    file = find_config(path)
    try:
        cfg = Config.fromfile(file)
    except (SyntaxError, KeyError, TypeError, AttributeError, NameError,
            ImportError, FileNotFoundError, ValueError) as error:
        raise UserError(f'{path} cannot be read as a config: '
                        f'{type(error).__name__}: {error}') from error
    for option in cfg_options or []:
        key, separator, value = option.partition('=')
        if not separator:
            raise UserError(f"--cfg-options {option}: expected key=value, "
                            'as in model.bbox_head.num_classes=20')
        _check_option(cfg, key)
        try:
            cfg.merge_from_dict({key: _literal(value)})
        except (KeyError, TypeError, IndexError, AssertionError) as error:
            raise UserError(f'--cfg-options {option}: {error}') from error
    for key in cfg:
        if key not in RUNNER_KEYS and close_names(key, RUNNER_KEYS, 0.85):
            raise UserError(f"{path}: nothing reads the key '{key}'" +
                            did_you_mean(key, RUNNER_KEYS))
    return cfg


def _literal(value: str):
    """A Python value where the text is one, else the text."""
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return {'true': True, 'false': False}.get(value.lower(), value)


def _check_option(cfg: Config, key: str) -> None:
    """Refuse an option whose key is new and like one that is there."""
    node, names = cfg._cfg_dict, key.split('.')
    for depth, name in enumerate(names):
        if isinstance(node, (list, tuple)) and name.isdigit():
            if int(name) >= len(node):
                raise UserError(f'--cfg-options {key}: the list '
                                f"'{'.'.join(names[:depth])}' has "
                                f'{len(node)} entries')
            node = node[int(name)]
            continue
        if not isinstance(node, dict):
            return  # merge_from_dict says what is wrong
        if name not in node:
            known = set(node) | (set(RUNNER_KEYS) if depth == 0 else set())
            if name not in known and (depth == 0
                                      or close_names(name, known, 0.8)):
                raise UserError(
                    f"--cfg-options {key}: there is no '{name}'" +
                    (f" in '{'.'.join(names[:depth])}'" if depth else
                     ' in the config') + did_you_mean(name, known))
            return
        node = node[name]


def key_paths(cfg, key: str, value=None, prefix: str = '') -> list[str]:
    """Dotted paths in a config at which ``key`` stands (with ``value``)."""
    paths = []
    if isinstance(cfg, dict):
        for name, item in cfg.items():
            path = f'{prefix}.{name}' if prefix else str(name)
            if name == key and value in (None, item):
                paths.append(path)
            paths += key_paths(item, key, value, path)
    elif isinstance(cfg, (list, tuple)):
        for i, item in enumerate(cfg):
            paths += key_paths(item, key, value, f'{prefix}.{i}')
    return paths


def _registries(registry: Registry = root.MODELS) -> Iterator[Registry]:
    """Each registry of MMEngine with all of its children."""
    tops = [r for r in vars(root).values() if isinstance(r, Registry)]
    while tops:
        registry = tops.pop()
        yield registry
        tops += registry.children.values()


@contextmanager
def explained(cfg: Config) -> Iterator[None]:
    """Turn the library's error on a misspelt type or argument into ours.

    Raises:
        UserError: Naming the config, the key's path in it and close names.
    """
    try:
        yield
    except (RuntimeError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        message = _explain(cfg, error)
        if message is None:
            raise
        raise UserError(f'{cfg.filename}: {message}') from error


def _explain(cfg: Config, error: Exception) -> str | None:
    config = ConfigDict(cfg._cfg_dict)
    unknown_type = re.match(r"(?:Failed to get |'?)([\w.]+)"
                            r'(?:$| is not in the \S+ registry)', str(error))
    if isinstance(error, (RuntimeError, KeyError)) and unknown_type:
        name = unknown_type[1]
        paths = key_paths(config, 'type', name)
        if not paths:
            return None
        scope = name.rpartition('.')[0]
        default = config.get('default_scope', 'mmengine')
        names = {
            key if registry.scope in ('mmengine', default) and not scope else
            f'{registry.scope}.{key}'
            for registry in _registries() for key in registry.module_dict
        }
        return (f"{paths[0]}: there is no type '{name}'" +
                did_you_mean(name, names))
    unexpected = re.search(
        r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'",
        str(error))
    if isinstance(error, TypeError) and unexpected:
        cls_name, name = unexpected.groups()
        paths = key_paths(config, name)
        if not paths:
            return None
        return (f"{paths[0]}: {cls_name} takes no '{name}'" + did_you_mean(
            name, _argument_names(error)))
    return None


def _argument_names(error: Exception) -> set[str]:
    """Constructor arguments of the class whose building failed."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    classes = [
        f.f_locals['obj_cls'] for f in frames if 'obj_cls' in f.f_locals
    ]
    if not classes or not inspect.isclass(classes[-1]):
        return set()
    names: set[str] = set()
    for cls in classes[-1].__mro__:  # arguments pass upwards as **kwargs
        if '__init__' in vars(cls):
            names |= set(inspect.signature(cls.__init__).parameters)
    return names - {'self', 'args', 'kwargs'}
