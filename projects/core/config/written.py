"""The values of a config as they were written, and how they are merged."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

BASE, DELETE = '_base_', '_delete_'
OPTIONS = '--cfg-options'


@dataclass(eq=False)
class Variable:
    """A name that was given a value at the top of a config.

    Args:
        name: Of it.
        file: Config, or :data:`OPTIONS`.
        line: Of the assignment.
        used: Whether something else was made of this value.
    """

    name: str
    file: str
    line: int | None
    used: bool = False


@dataclass(eq=False)
class Setting:
    """A value as it was written.

    Args:
        key: Path in the file, as ``train_pipeline.1.scale``.
        file: Config, or :data:`OPTIONS`.
        line: Of it; None of an option, or of a file that is no Python.
        expression: The text that gives the value, as a syntax tree; None if unknown.
        reads: Variables by which the value got here.
        origin: Where the value itself was written, if this is a name for it.
        over: What this replaced.
        deletes: Whether it did so by ``_delete_``.
        part_of: The setting that was written, where this came with it.
    """

    key: str
    file: str
    line: int | None
    expression: ast.expr | None = None
    reads: tuple[Variable, ...] = ()
    origin: 'Setting | None' = None
    over: 'Setting | None' = None
    deletes: bool = False
    part_of: 'Setting | None' = None

    @property
    def text(self) -> str:
        """The expression as Python; empty if unknown."""
        return '' if self.expression is None else ast.unparse(self.expression)

    @property
    def first(self) -> 'Setting':
        """Where the value itself was written."""
        setting = self
        while setting.origin is not None:
            setting = setting.origin
        return setting

    def stands_for(self, name: str) -> bool:
        """Whether the value is a variable's as it is."""
        return self.text.removeprefix(f'{BASE}.') == name

    def chain(self) -> list['Setting']:
        """What was set in turn, the first first, this last."""
        settings: list[Setting] = []
        setting: Setting | None = self
        while setting is not None:
            settings.insert(0, setting)
            setting = setting.over
        return settings

    def variables(self) -> Iterator[Variable]:
        """Those by which the value got here, directly or by another."""
        setting: Setting | None = self
        while setting is not None:
            yield from setting.reads
            setting = setting.origin


@dataclass(eq=False)
class Node:
    """A value and what is in it.

    Args:
        setting: Where it was written.
        kind: ``dict`` or ``list`` (of a tuple, too) where the parts are known.
        children: By key or index.
    """

    setting: Setting
    kind: type | None = None
    children: dict[Any, 'Node'] = field(default_factory=dict)

    def child(self, key: Any) -> 'Node | None':
        """The part of that key; negative indices count from the end of a list."""
        if self.kind is list and isinstance(key, int) and key < 0:
            key += len(self.children)
        return self.children.get(key)

    def nodes(self, path: tuple = ()) -> Iterator[tuple[tuple, 'Node']]:
        """This and all below it, with the keys that lead there."""
        yield path, self
        for key, child in self.children.items():
            yield from child.nodes((*path, key))


@dataclass
class Trace:
    """What the files of a config set.

    Args:
        files: Those that were read, bases first, the config last.
        nodes: By the names at the top of the config.
        variables: Last assignment of each name.
        changed: Names that were given another value than at first.
    """

    files: list[str]
    nodes: dict[str, Node]
    variables: dict[str, Variable]
    changed: set[str]

    def setting_of(self, keys: Iterable) -> Setting | None:
        """The last that set what stands at some keys, or what that is a part of."""
        setting, node = None, Node(Setting('', '', None), dict, self.nodes)
        for key in keys:
            node = node.child(key)
            if node is None:
                break
            setting = node.setting
        return setting

    def set_option(self, option: str) -> None:
        """Follow ``key.sub=value`` of ``--cfg-options``."""
        path, _, text = option.partition('=')
        name, *keys = path.split('.')
        setting = Setting(path, OPTIONS, None, ast.Name(text))
        self.variables[name] = Variable(name, OPTIONS, None)
        self.changed.add(name)
        if not keys:
            put(self.nodes, name, Node(setting))
        elif name in self.nodes:
            set_below(self.nodes[name], keys, Node(setting))
        else:
            self.nodes[name] = Node(setting)


def put(parts: dict[Any, Node], key: Any, new: Node) -> None:
    """Set a part as MMEngine merges a config into its base."""
    old = parts.get(key)
    if old is None:
        parts[key] = new
        return
    deletes = new.children.pop(DELETE, None) is not None
    if new.kind is dict and old.kind is dict and not deletes:
        merged = Node(new.setting, dict, dict(old.children))
        for name, node in new.children.items():
            put(merged.children, name, node)
        new = merged
    new.setting.deletes = deletes
    parts[key] = over(new, old)


def over(new: Node, old: Node) -> Node:
    """``new``, whose settings know what stood there before, part by part."""
    first = new.setting.chain()[0]
    if first is not old.setting and old.setting not in new.setting.chain():
        first.over = old.setting
    # entries of lists of another length are not the same entries
    if new.kind is dict or len(new.children) == len(old.children):
        for key, child in new.children.items():
            before = old.child(key)
            if before is not None and before is not child:
                over(child, before)
    return new


def set_below(node: Node, keys: list, new: Node) -> None:
    """Set a part by its path."""
    for key in keys[:-1]:
        key = int(key) if node.kind is list and str(key).isdecimal() else key
        below = node.child(key)
        if below is None:
            below = Node(new.setting)
            node.children[key] = below
        node = below
    last = keys[-1]
    last = int(last) if node.kind is list and str(last).isdecimal() else last
    old = node.child(last)
    node.children[last] = over(new, old) if old else new


def copied(node: Node, setting: Setting, variable: Variable) -> Node:
    """What a name stands for, where it is used."""
    used = replace(setting, reads=(variable,), origin=node.setting)
    whole = setting.part_of or used
    children = {}
    for key, child in node.children.items():
        below = Setting(f'{setting.key}.{key}', setting.file, setting.line)
        children[key] = copied(child, replace(below, part_of=whole), variable)
    return Node(used, node.kind, children)


def joined(setting: Setting, parts: list[Node]) -> Node:
    children = [child for part in parts for child in part.children.values()]
    for i, child in enumerate(children):
        if child.setting.key != f'{setting.key}.{i}':  # out of another list
            come_with(setting, {i: child})
    return Node(setting, list, dict(enumerate(children)))


def come_with(setting: Setting, children: dict[Any, Node]) -> dict[Any, Node]:
    """Parts that stand in a dict or list by its ``**`` or ``*``."""
    for key, child in children.items():
        for path, node in child.nodes():
            node.setting.key = '.'.join(map(str, (setting.key, key, *path)))
            node.setting.part_of = setting
    return children
