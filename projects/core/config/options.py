"""Settings over those of a config, ``key.sub=value``."""

import ast
from typing import Any

from mmengine.config import Config, DictAction

from projects.core.errors import UserError, close_names, did_you_mean
from projects.core.values import shown


def merge_option(cfg: Config, option: str, top_keys: frozenset[str]) -> None:
    """Merge one option into a config.

    The value is a Python literal where it is one, a list as mmengine's own tools
    take it, ``[a,b]`` or ``a,b``, and else text.

    Args:
        cfg: The config, which is changed.
        option: As ``model.head.num_classes=3``; an entry of a list is named by
            its number from 0.
        top_keys: Keys that may be new at the top.

    Raises:
        UserError: If it is no option, or names what cannot be there.
    """
    key, separator, text = str(option).partition('=')
    if not separator:
        raise UserError(
            f'--cfg-options {option}: expected key=value, '
            'as in model.bbox_head.num_classes=20'
        )
    if not all(key.split('.')):
        raise UserError(
            f"--cfg-options {option}: the key '{key}' has an empty part; expected "
            'key=value, as in model.bbox_head.num_classes=20'
        )
    value = _value(text, option)
    node = _check(cfg, key, value, top_keys)
    if isinstance(node, (list, tuple)) and isinstance(value, dict):
        value = {**value, '_delete_': True}  # in its place: mmengine would merge it
    try:
        cfg.merge_from_dict({key: value})
    except Exception as error:  # whatever a key does to mmengine's dicts
        raise UserError(f'--cfg-options {option}: {error}') from error


def _value(text: str, option: str) -> Any:
    """A Python value where the text is one, else the text."""
    if not text:
        raise UserError(
            f"--cfg-options {option}: there is no value after the '='; "
            f'{option}None sets None, {option}"\'\'" an empty text'
        )
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        if ',' in text or (text[0], text[-1]) in (('[', ']'), ('(', ')')):
            return DictAction._parse_iterable(text)
    except (AssertionError, RecursionError):
        raise UserError(f'--cfg-options {option}: the brackets do not pair') from None
    return {'true': True, 'false': False}.get(text.lower(), text)


def _check(cfg: Config, key: str, value: Any, top_keys: frozenset[str]) -> Any:
    """Refuse a key that is new and like one that is there, or that is nowhere.

    Returns:
        What stands there, None where it is new.
    """
    node, names = cfg._cfg_dict, key.split('.')
    for depth, name in enumerate(names):
        above = '.'.join(names[:depth])
        if isinstance(node, (list, tuple)):
            if not name.isdecimal() or int(name) >= len(node):
                raise UserError(
                    f"--cfg-options {key}: the list '{above}' has {len(node)} entries"
                    + (f', 0 to {len(node) - 1}' if node else '')
                    + f", and no '{name}'"
                )
            node = node[int(name)]
            continue
        if node is None:
            return None  # mmengine makes it a dict
        if not isinstance(node, dict):
            raise UserError(
                f"--cfg-options {key}: '{above}' is {shown(node)} and has no '{name}'"
            )
        if name not in node:
            known = set(node) | (top_keys if depth == 0 else set())
            if name not in known and (depth == 0 or close_names(name, known, 0.8)):
                raise UserError(
                    f"--cfg-options {key}: there is no '{name}'"
                    + (f" in '{above}'" if depth else ' in the config')
                    + did_you_mean(name, known)
                )
            return None
        node = node[name]
    if (
        isinstance(node, dict)
        and isinstance(value, (str, int, float))
        and not isinstance(value, bool)
    ):
        raise UserError(
            f"--cfg-options {key}: '{key}' is a dict in the config, not "
            f'{shown(value)}; set its keys, {key}.KEY=VALUE, or {key}=None'
        )
    return node
