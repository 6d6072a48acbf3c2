"""Python text read as data, never run."""

import ast
import math
from collections.abc import Collection
from typing import Any


def literals(text: str, needed: Collection[str] = ()) -> dict[str, Any]:
    """Entries of a Python text that are data; others are left out.

    Args:
        text: Of a config, as MMEngine writes it.
        needed: Names of entries that count.

    Raises:
        ValueError: If one that counts is no data.
        SyntaxError: If the text is no Python.
    """
    content = {}
    for statement in ast.parse(text).body:
        if not (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            continue
        name = statement.targets[0].id
        try:
            content[name] = _value(statement.value, name)
        except ValueError:
            if name in needed:
                raise
            content.pop(name, None)
    return content


def _value(node: ast.expr, path: str) -> Any:
    """The value of an expression of literals and ``dict(...)``."""
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str()):
            return node.value
        case ast.List() | ast.Tuple() | ast.Set():
            values = [_value(v, f'{path}.{i}') for i, v in enumerate(node.elts)]
            return tuple(values) if isinstance(node, ast.Tuple) else values
        case ast.Dict() if None not in node.keys:
            keys = [_value(k, path) for k in node.keys]
            return {
                str(k): _value(v, f'{path}.{k}')
                for k, v in zip(keys, node.values, strict=True)
            }
        case ast.Call(func=ast.Name('dict'), args=[ast.Dict() as inside], keywords=[]):
            return _value(inside, path)  # how MMEngine writes keys that are no names
        case ast.Call(func=ast.Name('dict'), args=[]) if all(
            keyword.arg for keyword in node.keywords
        ):
            return {k.arg: _value(k.value, f'{path}.{k.arg}') for k in node.keywords}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            number = _value(operand, path)
            if isinstance(number, (int, float)):
                return -number
        case ast.Name('inf' | 'nan'):
            return getattr(math, node.id)
        case ast.Attribute() if path.endswith('.type'):  # a class, by its place
            return ast.unparse(node)
    raise ValueError(
        f'{path} in line {node.lineno} is no data but the code '
        f'{ast.unparse(node)[:60]!r}, which is not run'
    )
