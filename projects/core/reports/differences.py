"""What differs between runs besides their results: config, environment, data, code."""

from collections.abc import Iterator, Sequence
from typing import Any

from projects.core.errors import one_line
from projects.core.reports.blocks import Block, Table, Text
from projects.core.reports.curves import config_of
from projects.core.reports.runs import Run

MISSING = object()
#: entries of a config that say where it ran, not what ran
PLACES = ('work_dir', 'custom_imports', '_base_')
MOST_ROWS = 80
#: columns of a table side by side; more entries are listed by value
MOST_COLUMNS = 4


def settings_of(run: Run) -> dict[str, Any]:
    """Entries of a run's config that are data and say what ran; it is not run."""
    return {key: v for key, v in config_of(run).items() if key not in PLACES}


def code_of(run: Run) -> dict[str, Any]:
    """State of the checkout that a run is of, in words; empty if not recorded."""
    code = dict(run.record.code) if run.record else {}
    if not code:
        return {}
    changed = code.pop('changed', None)
    code['changed files'] = ', '.join(map(str, changed)) if changed else 'none'
    digest = code.pop('diff_sha256', None)
    code['their difference (SHA-256)'] = str(digest)[:12] if digest else 'none'
    return code


def differences(values: Sequence[Any], path: str = '') -> Iterator[tuple[str, list]]:
    """Paths at which nested values differ, and what stands there.

    What has another ``type`` in ``model`` is one difference, and so is a list of
    parts that are not of the same types: all below it differs by necessity.

    Args:
        values: Of each run; :data:`MISSING` of one that has none.
        path: Where they stand in the whole.
    """
    if all(value == values[0] for value in values[1:]):
        return
    if all(isinstance(value, dict) for value in values):
        if path.partition('.')[0] == 'model' and _types(values) > 1:
            yield path, [_part(value) for value in values]
            return
        for key in dict.fromkeys(key for value in values for key in value):
            below = f'{path}.{key}' if path else str(key)
            yield from differences([v.get(key, MISSING) for v in values], below)
    elif all(isinstance(value, (list, tuple)) for value in values) and any(
        isinstance(item, dict) for value in values for item in value
    ):
        kinds = [[_kind(item) for item in value] for value in values]
        if all(kind == kinds[0] for kind in kinds[1:]):
            for i, items in enumerate(zip(*values, strict=True)):
                yield from differences(items, f'{path}.{i}')
        else:
            yield path, [', '.join(kind) or '[]' for kind in kinds]
    else:
        yield path, list(values)


def table_of_differences(
    key: str, title: str, names: list[str], values: list[dict[str, Any]], note: str = ''
) -> Block:
    """Entries of dicts that differ, as a table; a sentence where none does.

    Values that differ in the same way under the same last name, as an image size
    that is copied to several places, share a row.

    Args:
        key: Of the block.
        title: Of the block.
        names: Of the runs.
        values: A dict for each; an empty one of a run of which nothing is known.
        note: Stands before what the block says of itself.
    """
    known = [(n, v) for n, v in zip(names, values, strict=True) if v]
    unknown = [n for n, v in zip(names, values, strict=True) if not v]
    notes = [note] if note else []
    if unknown:
        notes.append(f'Not recorded: {", ".join(unknown)}.')
    if len(known) < 2:
        return Text(
            key, title, 'Fewer than two runs recorded it.', note=' '.join(notes)
        )
    names, values = map(list, zip(*known, strict=True))
    rows: dict[tuple, list[str]] = {}
    found = list(differences(values))
    for path, items in found:
        shown = tuple(_shown(item) for item in items)
        rows.setdefault((path.rpartition('.')[2], shown), []).append(path)
    equal = _equal(values, {path for path, _ in found})
    if not rows:
        return Text(key, title, f'All {equal} entries are equal.', note=' '.join(notes))
    if equal:
        notes.append(f'{equal} other entries are equal.')
    note = ' '.join(notes)
    table = []
    for (_, shown), paths in rows.items():
        path = paths[0]
        if len(paths) > 1:
            path += f' (and in {len(paths) - 1} more)'
        table.append([path, *_cells(names, shown)])
    if len(table) > MOST_ROWS:
        note += f' The first {MOST_ROWS} of {len(table)} differences are shown.'
    columns = names if len(names) <= MOST_COLUMNS else ['values']
    return Table(key, title, ['entry', *columns], table[:MOST_ROWS], note=note)


def _equal(values: list[dict], different: set[str]) -> int:
    """Settings of the first run at which all are equal."""

    def walk(value: Any, path: str) -> int:
        if path in different:
            return 0
        if isinstance(value, dict):
            return sum(walk(v, f'{path}.{k}' if path else k) for k, v in value.items())
        if isinstance(value, (list, tuple)) and any(
            item.startswith(f'{path}.') for item in different
        ):
            return sum(walk(v, f'{path}.{i}') for i, v in enumerate(value))
        return 1

    return walk(values[0], '')


def _cells(names: list[str], shown: tuple[str, ...]) -> list[str]:
    if len(names) <= MOST_COLUMNS:
        return list(shown)
    holders: dict[str, list[str]] = {}
    for name, text in zip(names, shown, strict=True):
        holders.setdefault(text, []).append(name)
    by_number = sorted(holders.items(), key=lambda item: len(item[1]))
    texts = [f'{text}: {", ".join(held)}' for text, held in by_number]
    if len(by_number) > 1 and len(by_number[-1][1]) > 3:
        texts[-1] = f'{by_number[-1][0]}: the other {len(by_number[-1][1])}'
    return ['; '.join(texts)]


def _types(values: Sequence[dict]) -> int:
    return len({str(value.get('type')) for value in values})


def _kind(item: Any) -> str:
    kind = item.get('type') if isinstance(item, dict) else item
    return str(kind).rpartition('.')[2] or str(kind)


def _part(value: dict) -> str:
    settings = ', '.join(f'{k}={v!r}' for k, v in value.items() if k != 'type')
    return f'{value.get("type")}({settings})'


def _shown(value: Any) -> str:
    if value is MISSING:
        return '–'
    if isinstance(value, dict) and 'type' in value:
        value = _part(value)
    return one_line(value if isinstance(value, str) else repr(value), 80)
