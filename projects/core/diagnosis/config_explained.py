"""All that is known of an entry of a config."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mmengine.config import Config

from projects.core.config import unread_keys
from projects.core.config.load import RUNNER_KEYS
from projects.core.config.saved import registered_types_only
from projects.core.config.written import Node, Trace
from projects.core.diagnosis.config_layout import has_parts, lines_of, literal
from projects.core.diagnosis.config_readers import is_argument, readers_of
from projects.core.diagnosis.config_source import Keys, Source, place, value_at
from projects.core.errors import UserError, did_you_mean, listed, one_line


def explanation(source: Source, path: str) -> str:
    """All that is known of an entry.

    Raises:
        UserError: If there is none of that name, with close ones.
    """
    config = source.cfg._cfg_dict.to_dict()
    if unset := _not_set(source, path):
        return unset
    keys = keys_of(config, path, source.name)
    value = value_at(config, keys)
    leaf = not isinstance(value, dict)
    if has_parts(value):
        lines = list(lines_of(source, keys, value, '', '', None))
        cut = len(keys) - 1
        lines = [line.removeprefix('    ' * cut) for line in lines]
        lines[0] = f'{path} = {lines[0]}'
    else:
        lines = [f'{path} = {literal(value)}']
    lines += ['', 'set by']
    if repr(value_at(source.read, keys)) != repr(value) and source.traced is not None:
        lines += _rows(source.traced, keys, leaf, now=False)
        lines.append('  the engine, which completes the config of a run')
    elif source.traced is not None:
        lines += _rows(source.traced, keys, leaf)
    else:
        what = 'or a file that it imports' if source.is_file else 'a copy of a config'
        lines.append(f'  {source.name}, {what}')
    lines += ['', 'read by']
    with _types(source):
        lines += [f'  {line}' for line in readers_of(source.cfg, keys)]
        lines += [f'  {line}' for line in _used_in(source.traced, keys)]
        lines += [f'  but: {line}' for line in _unread(source.cfg, path)]
    return '\n'.join(lines)


def _not_set(source: Source, path: str) -> str | None:
    """What is known of an argument that a config leaves as it is."""
    config = source.cfg._cfg_dict.to_dict()
    above, _, name = path.rpartition('.')
    try:
        keys = keys_of(config, above, source.name) if above else ()
    except UserError:
        return None  # said of the whole path
    inside = value_at(config, keys)
    with _types(source):
        if (
            not isinstance(inside, dict)
            or name in inside
            or not is_argument(source.cfg, (*keys, name))
            or not name
        ):
            return None
        lines = readers_of(source.cfg, (*keys, name))
    return '\n'.join([f'{path} is not set', '', 'read by', *(f'  {x}' for x in lines)])


def _types(source: Source) -> AbstractContextManager:
    """Types of a config that may be a stranger's are those of registries alone."""
    return nullcontext() if source.is_file else registered_types_only()


def keys_of(config: dict, path: str, name: str) -> Keys:
    """Keys that a path with dots stands for.

    Raises:
        UserError: If there is no such entry, with close names.
    """
    keys: list[str | int] = []
    node: Any = config
    for part in path.split('.'):
        above = '.'.join(map(str, keys))
        where = f"in '{above}'" if above else f'in {name}'
        if isinstance(node, (list, tuple)):
            if not part.isdecimal() or int(part) >= len(node):
                raise UserError(
                    f"--explain {path}: the list '{above}' has {len(node)} entries, "
                    f"from 0, and no '{part}'"
                )
            key: str | int = int(part)
        elif not isinstance(node, dict):
            raise UserError(
                f"--explain {path}: '{above}' is {one_line(repr(node), 60)} and has no "
                f"'{part}'"
            )
        elif part not in node:
            prefix = f'{above}.' if above else ''
            hint = did_you_mean(part, map(str, node), prefix=prefix)
            hint = hint or f'; there are {listed(map(str, node), 12)}'
            raise UserError(f"--explain {path}: there is no '{part}' {where}{hint}")
        else:
            key = part
        keys.append(key)
        node = node[key]
    return tuple(keys)


def _rows(traced: Trace, keys: Keys, leaf: bool, now: bool = True) -> list[str]:
    """What set an entry, the first first, a line each.

    Args:
        traced: The files.
        keys: That lead to the entry.
        leaf: Whether one value takes the place of another, and is not merged into it.
        now: Whether the last is what the entry is.
    """
    setting = traced.setting_of(keys)
    if setting is None:
        return []
    rows: list[tuple[str, str]] = []
    chain = setting.chain()
    for i, each in enumerate(chain):
        steps = [each]
        while steps[0].origin is not None:
            steps.insert(0, steps[0].origin)
        for j, step in enumerate(steps):
            written = step.part_of or step
            text = f'{written.key} = {one_line(written.text, 70)}'
            if not written.text:
                how = 'changed by a statement' if written.line else 'set'
                text = f'{written.key} is {how}'
            if step is steps[-1] and step.deletes:
                text += '  (_delete_: nothing of the base stays)'
            later = chain[i + 1] if i < len(chain) - 1 else None
            if j == 0 and (later or not now) and (leaf or (later and later.deletes)):
                text += '  (replaced)'
            rows.append((place(step), text))
    rows += _replaced_whole(traced, keys)
    width = max(len(at) for at, _ in rows)
    return [f'  {at:{width}}  {text}' for at, text in rows]


def _replaced_whole(traced: Trace, keys: Keys) -> Iterator[tuple[str, str]]:
    """Lists, and dicts with ``_delete_``, around an entry that took a base's place."""
    for i in range(1, len(keys)):
        setting = traced.setting_of(keys[:i])
        is_whole = isinstance(keys[i], int) or (setting and setting.deletes)
        if setting is not None and setting.over is not None and is_whole:
            what = 'list' if isinstance(keys[i], int) else 'dict'
            yield (
                place(setting),
                f'{setting.key} is a new {what}, in place of that of '
                f'{place(setting.over)}',
            )


def _used_in(traced: Trace | None, keys: Keys) -> Iterator[str]:
    """Entries that a variable of the configs was put into."""
    if traced is None or keys[0] in RUNNER_KEYS:
        return
    paths = []
    for name in traced.nodes:
        if name in RUNNER_KEYS:
            paths += _made_of(traced.nodes[name], (name,), str(keys[0]))
    for path in paths:
        yield f'it was put into {path}'
    if not paths:
        yield 'nothing: no entry that a run reads was made of it'


def _made_of(node: Node, keys: Keys, name: str) -> list[str]:
    if any(v.name == name for v in node.setting.variables()):
        return ['.'.join(map(str, keys))]
    return [
        path
        for key, child in node.children.items()
        for path in _made_of(child, (*keys, key), name)
    ]


def _unread(cfg: Config, path: str) -> Iterator[str]:
    """Whether no source knows a key of the model."""
    try:
        notices = unread_keys(cfg) if cfg.get('model') else []
    except UserError as error:
        notices = [str(error)]
    return (n.partition(': ')[2] for n in notices if f': {path}: ' in n)
