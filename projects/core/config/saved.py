"""The config inside a checkpoint, which is data: written and read, never run.

A checkpoint may come from anyone. MMEngine reads the config in one as a Python
file, and looks its types up as names of anything that can be imported.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.registry import registry as mmengine_registry

from projects.core.config.walk import walk
from projects.core.errors import UserError
from projects.core.literals import literals

JSON_KEY = 'cfg_json'  # 'config' and 'cfg' are MMEngine's, which runs them
# whose registries a type may be looked up in
SCOPES = ('mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'projects')
TUPLE = '__tuple__'  # JSON knows lists alone, and mmcv tells them apart
# entries that what is built from a checkpoint depends on
BUILT_FROM = (
    'channels_last',
    'default_scope',
    'fold_batch_norm',
    'model',
    'test_dataloader',
)


def config_to_json(cfg: Config) -> str:
    """A config as JSON; :func:`saved_config` reads it.

    A tuple is ``{"__tuple__": [...]}``, a class the name that registries know it
    by, as ``"mmdet.RetinaNet"``.
    """
    return json.dumps(_plain(cfg.to_dict()))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return {TUPLE: [_plain(v) for v in value]}
    if isinstance(value, (list, set, frozenset)):
        return [_plain(v) for v in value]
    if isinstance(value, type):
        return f'{value.__module__.partition(".")[0]}.{value.__name__}'
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.tolist() if hasattr(value, 'tolist') else str(value)


def saved_config(meta: dict, source: str) -> Config:
    """The config that a checkpoint's meta data hold.

    That is JSON, or Python text as MMEngine writes it, of which literals and
    ``dict(...)`` are read. Imports and ``_base_`` are left out, environment
    variables stay as they are written.

    Args:
        meta: ``checkpoint['meta']``.
        source: The checkpoint's file, for messages.

    Raises:
        UserError: If there is none, or what is to be built is no data, has a type
            that no registry of ours or of the libraries could know, or is nested
            too deeply.
    """
    text, is_json = meta.get(JSON_KEY), True
    if text is None:
        text, is_json = meta.get('cfg'), False
    if not isinstance(text, str):
        raise UserError(
            f'{source} holds no config; give a checkpoint that tools/train.py wrote'
        )
    try:
        content = (
            json.loads(text, object_hook=_tuples)
            if is_json
            else literals(text, BUILT_FROM)
        )
        if not isinstance(content, dict):
            raise ValueError('it is no dict')
        content.pop('_base_', None)
        content.pop('custom_imports', None)
        for name in list(content):
            try:
                _check_types({name: content[name]})
            except ValueError:
                if name in BUILT_FROM:
                    raise
                del content[name]
        if not isinstance(content.get('model'), dict):
            raise ValueError("it has no 'model'")
        return Config(content, cfg_text=text, filename=f'the config in {source}')
    except (SyntaxError, ValueError, KeyError, RecursionError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, RecursionError):
            reason = 'it is nested too deeply'
        raise UserError(
            f'the config in {source} cannot be read: {reason.splitlines()[0]}'
        ) from error


def _tuples(value: dict) -> Any:
    inside = value.get(TUPLE)
    return tuple(inside) if len(value) == 1 and isinstance(inside, list) else value


def _check_types(content: dict) -> None:
    """Refuse types and scopes that no registry could know.

    Raises:
        ValueError: If there is one, as the path of a function.
    """
    for entry in walk(content):
        if entry.key == 'type':
            text = entry.value if isinstance(entry.value, str) else ''
            scope, _, name = text.rpartition('.')
            # a class that stands for itself in a config is written with its module
            scope = scope.partition('.')[0]
            if not re.fullmatch(r'[\w/-]+', name) or scope not in ('', *SCOPES):
                raise ValueError(
                    f'{entry.path} is {entry.value!r:.60}, which is no registered part'
                )
            entry.parent['type'] = f'{scope}.{name}' if scope else name
        elif entry.key in ('_scope_', 'default_scope') and (
            entry.value not in (None, *SCOPES)
        ):
            raise ValueError(
                f'{entry.path} is {entry.value!r:.60}, none of {", ".join(SCOPES)}'
            )


@contextmanager
def registered_types_only() -> Iterator[None]:
    """Let registries find what is registered, not any function by its import path."""

    def refuse(name: str) -> None:
        raise ImportError(f'{name} is not registered')

    find = mmengine_registry.get_object_from_string
    mmengine_registry.get_object_from_string = refuse
    try:
        yield
    finally:
        mmengine_registry.get_object_from_string = find
