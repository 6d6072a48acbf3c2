"""Whether a block that was read from a file is one: types, and equal lengths."""

import dataclasses
import types
import typing
from collections.abc import Sequence
from functools import cache
from typing import Any

from projects.core.reports.blocks import Bars, Block, Curves, Matrix, Table


def check_block(block: Block) -> None:
    """Refuse a block whose fields are not what its kind says.

    Raises:
        ValueError: With the field.
    """
    _check_fields(block)
    lengths: list[tuple[str, int, int]] = []
    if isinstance(block, Curves):
        for line in block.series:
            others = [v for v in (line.y, line.low, line.high) if v is not None]
            lengths += [(f'series {line.name!r}', len(line.x), len(o)) for o in others]
    elif isinstance(block, Bars):
        for name, values in block.series.items():
            lengths.append((f'series {name!r}', len(block.labels), len(values)))
    elif isinstance(block, Table):
        lengths += [('a row', len(block.columns), len(row)) for row in block.rows]
        if block.better:
            lengths.append(('better', len(block.columns), len(block.better)))
    elif isinstance(block, Matrix):
        lengths.append(('values', len(block.rows), len(block.values)))
        lengths += [('a row', len(block.columns), len(row)) for row in block.values]
    for what, wanted, found in lengths:
        if wanted != found:
            raise ValueError(f'{block.key}: {what} has {found} values, not {wanted}')


def _check_fields(value: Any) -> None:
    for name, hint in _hints(type(value)).items():
        field = getattr(value, name)
        if not _fits(field, hint):
            raise ValueError(f'{type(value).__name__}.{name} is no {hint}')


@cache
def _hints(cls: type) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(cls)}
    return {k: v for k, v in typing.get_type_hints(cls).items() if k in names}


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if kind is tuple:
        return (
            isinstance(value, (list, tuple))
            and len(value) == len(inner)
            and all(map(_fits, value, inner))
        )
    if kind in (list, Sequence):
        return isinstance(value, (list, tuple)) and all(
            _fits(v, inner[0]) for v in value
        )
    if kind is dict:
        return isinstance(value, dict) and all(
            _fits(v, inner[1]) for v in value.values()
        )
    if hint in (int, float):
        # True is none, nor is a whole number beyond all floats
        return type(value) in (int, hint) and abs(value) < 1e300
    if dataclasses.is_dataclass(hint):
        if isinstance(value, hint):
            _check_fields(value)
        return isinstance(value, hint)
    return isinstance(value, hint)
