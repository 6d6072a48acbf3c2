"""A config as Python, with a comment on where its values come from."""

import keyword
from collections.abc import Iterator
from typing import Any

from projects.core.config.find import shown_path
from projects.core.config.load import RUNNER_KEYS
from projects.core.diagnosis.config_source import Keys, Source
from projects.core.errors import one_line

WIDTH = 88  # of what stands on one line
LABELS_AT = 60  # column of the comments, where the values end before


def whole(source: Source) -> str:
    """The config as Python, with a comment on where its values come from."""
    config = source.cfg._cfg_dict.to_dict()
    lines = [f'# {source.name}, as it runs']
    if source.traced is not None:
        lines += [f'#   from {shown_path(file)}' for file in source.traced.files]
    if source.incomplete:
        lines.append(
            f'# but not completed by the engine: {one_line(source.incomplete)}'
        )
    names = [name for name in config if not callable(config[name])]
    names.sort(key=lambda name: name not in RUNNER_KEYS)
    for i, name in enumerate(names):
        if name not in RUNNER_KEYS and (i == 0 or names[i - 1] in RUNNER_KEYS):
            lines += ['', '# variables of the configs, which nothing else reads']
        lines += list(lines_of(source, (name,), config[name], f'{name} = ', '', None))
    return '\n'.join(lines)


def lines_of(
    source: Source, keys: Keys, value: Any, start: str, end: str, told: str | None
) -> Iterator[str]:
    """A value as Python; ``told`` is the file that a line above has named."""
    indent = '    ' * (len(keys) - 1)
    label = source.label(keys)
    files = {_file(at) for at in _labels(source, keys, value)}
    of_one = len(files) == 1
    if of_one:  # it is named once
        comment = '' if files == {told} else label
        told = files.pop()
    else:
        comment, told = '', None
    text = f'{indent}{start}{literal(value)}{end}'
    if of_one and len(text) <= (LABELS_AT if has_parts(value) and comment else WIDTH):
        yield _commented(text, comment)
        return
    brackets, items = _items(value)
    if not items:
        yield _commented(text, comment)
        return
    yield _commented(f'{indent}{start}{brackets[0]}', comment)
    for prefix, key, part in items:
        yield from lines_of(source, (*keys, key), part, prefix, ',', told)
    yield f'{indent}{brackets[1]}{end}'


def has_parts(value: Any) -> bool:
    """Whether a value is shown on lines of its own."""
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, (list, tuple)) and any(
        isinstance(part, (dict, list)) for part in value
    )


def _items(value: Any) -> tuple[tuple[str, str], list[tuple[str, Any, Any]]]:
    """Brackets, and prefix, key and value of each part."""
    if isinstance(value, dict):
        if all(str(k).isidentifier() and not keyword.iskeyword(k) for k in value):
            return ('dict(', ')'), [(f'{k}=', k, v) for k, v in value.items()]
        return ('{', '}'), [(f'{k!r}: ', k, v) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        brackets = ('[', ']') if isinstance(value, list) else ('(', ')')
        return brackets, [('', i, v) for i, v in enumerate(value)]
    return ('', ''), []


def literal(value: Any) -> str:
    if isinstance(value, dict):
        (start, end), items = _items(value)
        return start + ', '.join(p + literal(v) for p, _, v in items) + end
    if isinstance(value, (list, tuple)) and has_parts(value):
        (start, end), items = _items(value)
        return start + ', '.join(literal(v) for *_, v in items) + end
    return repr(value)


def _labels(source: Source, keys: Keys, value: Any) -> set[str]:
    """Of a value and all that is in it."""
    _, items = _items(value)
    if not items:
        return {source.label(keys)}
    return set().union(*(_labels(source, (*keys, k), v) for _, k, v in items))


def _file(label: str) -> str:
    return label.partition(':')[0]


def _commented(text: str, comment: str) -> str:
    return f'{text:{LABELS_AT}}  # {comment}' if comment else text
