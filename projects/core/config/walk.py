"""The one walk over the entries of a config, and what is asked of it."""

from collections.abc import Iterator
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """An entry of a dict or a list: ``parent[key] is value``.

    ``path`` is how ``--cfg-options`` names it, ``model.bbox_head.num_classes``.
    """

    path: str
    parent: Any
    key: Any
    value: Any


def walk(node: Any, path: str = '') -> Iterator[Entry]:
    """Every entry of nested dicts, lists and tuples, each before what is in it.

    An entry may be replaced through its parent while the walk goes on; what is
    in the old value is visited all the same.

    Args:
        node: A config or a part of one.
        path: Where ``node`` stands in the whole, '' for the whole.
    """
    if isinstance(node, dict):
        items = list(node.items())
    elif isinstance(node, (list, tuple)):
        items = list(enumerate(node))
    else:
        return
    for key, value in items:
        below = f'{path}.{key}' if path else str(key)
        yield Entry(below, node, key, value)
        yield from walk(value, below)


def key_paths(node: Any, key: str, value: Any = None) -> list[str]:
    """Paths at which ``key`` stands (with ``value``, where one is given)."""
    return [e.path for e in walk(node) if e.key == key and value in (None, e.value)]


def values_of(node: Any, key: str) -> list:
    """Values of ``key`` wherever it stands."""
    return [e.value for e in walk(node) if e.key == key]


def set_everywhere(node: Any, key: str, value: Any) -> None:
    """Set ``key`` to ``value`` wherever it stands."""
    for entry in walk(node):
        if entry.key == key:
            entry.parent[key] = value


def optim_wrappers_of(cfg: dict) -> dict[str, dict]:
    """Settings of a config's optimizer wrappers by name.

    The name of a single one is ''; several stand in ``optim_wrapper`` by name.
    """
    settings = cfg.get('optim_wrapper') or {}
    if 'optimizer' in settings:
        return {'': settings}
    return {
        name: value
        for name, value in settings.items()
        if isinstance(value, dict) and 'optimizer' in value
    }


def test_pipeline_entry(cfg: dict) -> Entry | None:
    """Where the pipeline of the test data stands; None where there is none."""
    dataset = (cfg.get('test_dataloader') or {}).get('dataset')
    found = [entry for entry in walk(dataset) if entry.key == 'pipeline']
    # a wrapper's own goes before that of the data set inside
    return min(found, key=lambda e: e.path.count('.'), default=None)


def test_pipeline_of(cfg: dict) -> list[dict]:
    """Steps of the test data's pipeline, none where there is no such data."""
    entry = test_pipeline_entry(cfg)
    return [] if entry is None else entry.value


def type_name(settings: dict) -> str:
    """The 'type' of an entry without its scope, '' of none; it may be the class."""
    type_ = settings.get('type')
    name = type_ if isinstance(type_, str) else getattr(type_, '__name__', '')
    return name.rpartition('.')[2]
