"""Saying which entry of a config a library's error is about."""

import inspect
import re
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError

from mmengine.config import Config
from mmengine.registry import Registry, root

from projects.core.config.culprit import culprit, is_under_way
from projects.core.config.find import shown_path
from projects.core.config.trace import trace
from projects.core.config.walk import key_paths, optim_wrappers_of, type_name, walk
from projects.core.errors import UserError, did_you_mean, one_line
from projects.registry import UnknownTypeError, plugin_failures

# of which the text is a sentence, if it is long enough
TELLING = (AssertionError, NotImplementedError, RuntimeError, TypeError, ValueError)
NETWORK_ERRORS = (URLError, ConnectionError, TimeoutError, socket.gaierror)


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

    Whatever fails until the first step is done, or in the first validation, is
    taken for one. After that only what is known to be a mistake is turned, and
    any other error is shown with its traceback, as a flaw of the program.

    Raises:
        UserError: Naming the config, the key's path in it and the reason.
    """
    try:
        yield
    except Exception as error:
        config = cfg._cfg_dict.to_dict()
        source = cfg.filename or 'the config'
        if isinstance(error, UserError) and not isinstance(error, UnknownTypeError):
            if message := remedy(config, str(error)):
                raise UserError(f'{source}: {message}') from error
            raise
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        message = unfetched(config, frames, error) or _explain(
            config, frames, error, source
        )
        if message is None and not is_under_way(frames):
            message = missing_part(config) or _any_reason(config, frames, error)
        if message is None:
            raise
        raise UserError(f'{source}: {message}') from error


def missing_part(config: dict) -> str | None:
    """What a run needs and the config has not, None where all is there."""
    if not config.get('model'):
        return "there is no 'model'"
    for parts in (
        ('train_dataloader', 'train_cfg', 'optim_wrapper'),
        ('val_dataloader', 'val_cfg', 'val_evaluator'),
        ('test_dataloader', 'test_cfg', 'test_evaluator'),
    ):
        missing = [part for part in parts if config.get(part) is None]
        if 0 < len(missing) < len(parts):
            return (
                f'{" and ".join(missing)} {"is" if len(missing) == 1 else "are"} '
                f'missing: {", ".join(parts)} go together, or none of them'
            )
    return None


def _any_reason(config: dict, frames: list, error: Exception) -> str:
    """The part that was being built or used, and what it says."""
    text = str(error).partition(' Please check whether the value of')[0]
    if 'Original Traceback' in text:  # of a data loader's worker
        text = text.rstrip().splitlines()[-1]
        reason = one_line(text)
    elif not text and isinstance(error, AssertionError):
        line = traceback.extract_tb(error.__traceback__)[-1].line or ''
        reason = f'it needs {line.removeprefix("assert ")}'
    elif type(error) in TELLING and len(text.split()) > 3:
        reason = one_line(text)
    else:
        reason = f'{type(error).__name__}: {one_line(text)}'.removesuffix(': ')
    path = culprit(config, frames, error)
    if path is None:
        return f'{reason}; MMATLAS_DEBUG=1 shows where'
    value = config
    for key in path.split('.'):
        value = value[int(key) if isinstance(value, (list, tuple)) else key]
    kind = type_name(value) if isinstance(value, dict) else None
    return (
        f'{path}{f" ({kind})" if kind else ""}: {reason}; MMATLAS_DEBUG=1 shows where'
    )


def unfetched(config: dict, frames: list, error: BaseException) -> str | None:
    """Which weights of the config could not be fetched, None if that is not it."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    failures = [e for e in chain if isinstance(e, NETWORK_ERRORS)]
    if not failures:
        return None
    used = {v for f in frames for v in f.f_locals.values() if isinstance(v, str)}
    reason = one_line(failures[-1])
    texts = (f'{name} cannot be fetched: {reason}' for name in used if '://' in name)
    return next(filter(None, (remedy(config, text) for text in texts)), None)


def remedy(config: dict, text: str) -> str | None:
    """What to do without weights whose name in the config a message begins with."""
    for entry in walk(config):
        name = entry.value
        if isinstance(name, str) and '://' in name and text.startswith(name):
            key = entry.path.removesuffix('.checkpoint')
            return (
                f'{entry.path}: {one_line(text)}; give the path of a file, or do '
                f'without by --cfg-options {key}=None'
            )
    return None


def _explain(config: dict, frames: list, error: Exception, source: str) -> str | None:
    """What is wrong in the config, None where the error is no known sign of it."""
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
        types = [w['optimizer'].get('type') for w in optim_wrappers_of(config).values()]
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
                + (
                    left_over(source, paths[0])
                    or did_you_mean(name, _argument_names(cls_name, frames))
                )
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


def left_over(source: str, path: str) -> str:
    """Why a key stands beside a type that it does not belong to.

    Args:
        source: The config's file.
        path: Of the key.

    Returns:
        "; ...", or nothing where the key was written for this very type.
    """
    *above, name = path.split('.')
    try:
        traced = trace(source)
        old, new = (
            traced.setting_of([*above, name]),
            traced.setting_of([*above, 'type']),
        )
    except Exception:  # no config of files
        return ''
    if old is None or new is None or new.over is None or old.file == new.file:
        return ''
    return (
        f'; it is left of line {old.line} of {shown_path(old.file)}, where the type is '
        f'another: _delete_=True beside the type in line {new.line} of '
        f'{shown_path(new.file)} leaves the keys of the base out'
    )


def _unknown_type(config: dict, name: str, registries: list[Registry]) -> str | None:
    paths = key_paths(config, 'type', name) or [
        entry.path for entry in walk(config) if entry.value == name
    ]
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
