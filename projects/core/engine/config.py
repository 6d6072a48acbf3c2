"""Reading a config, and finding the user's mistakes in it."""

import ast
import importlib.util
import inspect
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.hooks import CheckpointHook
from mmengine.registry import Registry, root
from mmengine.runner import Runner

from projects.core.errors import UserError, close_names, did_you_mean
from projects.core.factory import config_root
from projects.registry import UnknownTypeError, plugin_failures

# what a Runner reads of a config besides the arguments of its constructor
RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) | {
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
}


def run_configs() -> list[Path]:
    """The configs that can be run, those of the checkout or of the wheel."""
    return [path for path in config_root().rglob('*.py') if '_base_' not in path.parts]


def find_config(path: str) -> Path:
    """A config's file: the path itself, or one below the installed configs.

    ``mmpretrain::resnet/resnet18_8xb32_in1k.py`` is one of a library's wheel.

    Raises:
        UserError: If there is none, with the closest names.
    """
    package, separator, inside = path.partition('::')
    spec = importlib.util.find_spec(package) if separator else None
    if spec is not None:
        file = Path(spec.origin).parent / '.mim/configs' / inside
        if not file.is_file():
            raise UserError(f'no config {inside} in {file.parents[1]}')
        return file
    candidates = [Path(path), config_root() / path, config_root().parent / path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = {p.name: p for p in run_configs()}
    close = close_names(Path(path).name, known, 0.5)
    here = Path.cwd()
    shown = [
        str(
            known[c].relative_to(here)
            if known[c].is_relative_to(here)
            else known[c].relative_to(config_root())
        )
        for c in close
    ]
    raise UserError(
        f'no config {path}'
        + (
            '; did you mean\n  ' + '\n  '.join(shown)
            if shown
            else f'; the configs are in {config_root()}'
        )
    )


def load_config(path: str, cfg_options: list[str] | None = None) -> Config:
    """Read a config, merge ``key.sub=value`` options, look for misspellings.

    Raises:
        UserError: If the file is missing or malformed, an option is none, or
            a key is one letter or two from a known one.
    """
    file = find_config(path)
    try:
        cfg = Config.fromfile(file)
    except SyntaxError as error:
        raise UserError(f'{path}, line {error.lineno}: {error.msg}') from error
    except Exception as error:  # a config is a program: it may raise anything
        raise UserError(
            f'{path} cannot be read as a config: {type(error).__name__}: {error}'
        ) from error
    for option in cfg_options or []:
        key, separator, value = option.partition('=')
        if not separator:
            raise UserError(
                f'--cfg-options {option}: expected key=value, '
                'as in model.bbox_head.num_classes=20'
            )
        _check_option(cfg, key)
        try:
            cfg.merge_from_dict({key: _literal(value)})
        except (KeyError, TypeError, IndexError, AssertionError) as error:
            raise UserError(f'--cfg-options {option}: {error}') from error
    for key in cfg:
        if key not in RUNNER_KEYS and close_names(key, RUNNER_KEYS, 0.85):
            raise UserError(
                f"{path}: nothing reads the key '{key}'"
                + did_you_mean(key, RUNNER_KEYS)
            )
    _check_checkpoint_hook(path, cfg)
    return cfg


def _check_checkpoint_hook(path: str, cfg: Config) -> None:
    """Refuse misspelt settings, which it passes on and misses an epoch later."""
    known = (
        set(inspect.signature(Runner.save_checkpoint).parameters)
        | set(inspect.signature(CheckpointHook).parameters)
        | {'type', 'priority'}
    )
    hook = cfg.get('default_hooks', {}).get('checkpoint') or {}
    for key in hook:
        if hook.get('type') == 'CheckpointHook' and key not in known:
            raise UserError(
                f'{path}: default_hooks.checkpoint.{key}: '
                f"CheckpointHook takes no '{key}'" + did_you_mean(key, known)
            )


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
                raise UserError(
                    f'--cfg-options {key}: the list '
                    f"'{'.'.join(names[:depth])}' has "
                    f'{len(node)} entries'
                )
            node = node[int(name)]
            continue
        if not isinstance(node, dict):
            return  # merge_from_dict says what is wrong
        if name not in node:
            known = set(node) | (set(RUNNER_KEYS) if depth == 0 else set())
            if name not in known and (depth == 0 or close_names(name, known, 0.8)):
                raise UserError(
                    f"--cfg-options {key}: there is no '{name}'"
                    + (
                        f" in '{'.'.join(names[:depth])}'"
                        if depth
                        else ' in the config'
                    )
                    + did_you_mean(name, known)
                )
            return
        node = node[name]


def test_pipeline_of(cfg: Config) -> list[dict]:
    """Steps of the test data's pipeline, none where there is no such data."""
    dataset = (cfg.get('test_dataloader') or {}).get('dataset')
    while dataset and 'pipeline' not in dataset:  # a wrapper
        dataset = dataset.get('dataset') or (dataset.get('datasets') or [None])[0]
    return (dataset or {}).get('pipeline', [])


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
    optimizer = key_paths(config, 'optimizer')
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
    if 'None is not a callable' in str(error) and optimizer:
        # MMEngine asks for the signature of what it has not found
        return _unknown_type(
            config, config.optim_wrapper.optimizer.type, [root.OPTIMIZERS]
        )
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
