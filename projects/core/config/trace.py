"""Where each value of a config was written: file, line, and by which names it came.

The files are read as Python text, never run: the assignments of a config are followed
through ``dict(...)``, lists, names and ``_base_``, and merged as MMEngine merges their
values. What is not understood, such as a loop, stands for all that it may have set.
"""

import ast
import os.path as osp
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.config import Config

from projects.core.config.written import (
    BASE,
    Node,
    Setting,
    Trace,
    Variable,
    come_with,
    copied,
    joined,
    over,
    put,
    set_below,
)


def trace(file: str, options: Iterable[str] = ()) -> Trace:
    """Follow the values of a config through its files.

    Args:
        file: Config that MMEngine can read, of the kind with ``_base_``.
        options: ``key.sub=value``, set over the files.

    Raises:
        ValueError: If it is of the kind that imports its bases.
    """
    traced = _trace_file(osp.abspath(file))
    for option in options:
        traced.set_option(option)
    return traced


def _trace_file(file: str) -> Trace:
    if Config._is_lazy_import(file):
        raise ValueError(f'{file} imports its bases')
    bases = Trace([], {}, {}, set())
    for name in Config._get_base_files(file):
        base = _trace_file(osp.abspath(Config._get_cfg_path(name, file)[0]))
        bases.files += [f for f in base.files if f not in bases.files]
        bases.nodes.update(base.nodes)
        bases.variables.update(base.variables)
        bases.changed |= base.changed
    reader = _Reader(file, bases)
    if file.endswith('.py'):
        for statement in ast.parse(Path(file).read_text(encoding='utf-8')).body:
            reader.follow(statement)
    else:  # JSON and YAML hold data alone
        for key in Config.fromfile(file):
            reader.assign(key, Node(Setting(key, file, None)), None)
    nodes = dict(bases.nodes)
    for name, node in reader.nodes.items():
        put(nodes, name, node)
    variables = bases.variables | reader.variables
    changed = bases.changed | reader.changed
    changed |= bases.variables.keys() & reader.variables.keys()
    return Trace([*bases.files, file], nodes, variables, changed)


class _Reader:
    """Follows the statements of one file.

    Args:
        file: Its path.
        bases: What its bases set.
    """

    def __init__(self, file: str, bases: Trace) -> None:
        self.file, self.bases = file, bases
        self.nodes: dict[str, Node] = {}
        self.variables: dict[str, Variable] = {}
        self.changed: set[str] = set()
        self.target = ''  # name that is being assigned

    def assign(self, name: str, node: Node, line: int | None) -> None:
        """Give a name a value."""
        if name in self.nodes:
            self.changed.add(name)
            over(node, self.nodes[name])
        self.nodes[name] = node
        self.variables[name] = Variable(name, self.file, line)

    def follow(self, statement: ast.stmt) -> None:
        """Take a statement's effect, or what it may have."""
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)])
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr())
            ):
                if name != BASE:
                    self.target = name
                    node = self._value(statement.value, name, statement.lineno)
                    self.assign(name, node, statement.lineno)
            case ast.Assign(targets=[ast.Subscript() | ast.Attribute() as target]):
                self._set_part(target, statement.value)
            case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.ClassDef():
                pass  # MMEngine leaves these out
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method) as call):
                self._call(method, call)
            case _:
                self._reads(statement)
                # of the name of a base's variable by chance, and not to change it
                counters = _loop_names(statement) & self.bases.variables.keys()
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name) and node.id not in (BASE, *counters):
                        if isinstance(node.ctx, ast.Store) or node.id in self.nodes:
                            self._change(node, statement)

    def _call(self, method: ast.Attribute, call: ast.Call) -> None:
        """``name['key'].update(key=value)``, or another method of a name."""
        named = [(k.arg, k.value) for k in call.keywords]
        if method.attr == 'update' and not call.args and all(k for k, _ in named):
            for key, value in named:
                part = ast.Subscript(method.value, ast.Constant(key))
                self._set_part(ast.copy_location(part, value), value)
            return
        keys, root = _path(method.value)
        name = getattr(root, 'id', None)
        self.target = str(name)
        for argument in (*call.args, *(value for _, value in named)):
            self._reads(argument)
        if keys and name in self.nodes:
            setting = Setting(name, self.file, call.lineno)
            set_below(self.nodes[name], keys, Node(setting))
        else:
            self._change(root, call)

    def _set_part(self, target: ast.expr, value: ast.expr) -> None:
        """``name['key'].key = value``."""
        keys, root = _path(target)
        name = getattr(root, 'id', None)
        self.target = str(name)
        if name not in self.nodes or keys is None:
            self._reads(value)
            self._change(root, target)
            return
        path = '.'.join(map(str, (name, *keys)))
        new = self._value(value, path, target.lineno)
        set_below(self.nodes[name], keys, new)

    def _change(self, root: ast.expr | None, place: ast.AST) -> None:
        """A name is something else from here on, nobody knows what."""
        name = getattr(root, 'id', None)
        if isinstance(root, ast.Attribute):  # of `_base_`, which is changed in place
            name = root.attr
            if name not in self.bases.nodes:
                return
        elif name is None or name == BASE:
            return
        line = place.lineno
        node = Node(Setting(name, self.file, line))
        if name in self.nodes:  # the same value, changed
            variable = self.variables[name]
            self.assign(name, node, line)
            self.variables[name] = variable
        else:
            self.assign(name, node, line)

    def _reads(self, tree: ast.AST) -> tuple[Variable, ...]:
        """Variables that a piece of text reads, which are used from here on."""
        found = []
        for node in ast.walk(tree):
            variable = None
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                variable = self.variables.get(node.id)
            elif isinstance(node, ast.Attribute) and _is_base(node.value):
                variable = self.bases.variables.get(node.attr)
            if variable is not None:
                variable.used = variable.used or variable.name != self.target
                found.append(variable)
        return tuple(found)

    def _value(self, tree: ast.expr, key: str, line: int) -> Node:
        """The value of an expression, part by part where these are known."""
        setting = Setting(key, self.file, line, tree)
        match tree:
            case ast.Call(func=ast.Name(id='dict'), args=args) if len(args) < 2:
                parts = [(None, a) for a in args]
                parts += [(k.arg, k.value) for k in tree.keywords]
                return self._dict(setting, parts)
            case ast.Dict():
                keys = [k.value if _is_constant(k) else k for k in tree.keys]
                if all(k is None or isinstance(k, (str, int)) for k in keys):
                    return self._dict(setting, zip(keys, tree.values, strict=True))
            case ast.Set(elts=[ast.Set(elts=[inside])]):  # '{{_base_.name}}'
                return self._value(inside, key, line)
            case ast.List() | ast.Tuple():
                return self._list(setting, tree.elts)
            case ast.BinOp(op=ast.Add()):
                sides = [self._value(s, key, line) for s in (tree.left, tree.right)]
                if all(side.kind is list for side in sides):
                    return joined(setting, sides)
                return Node(self._made_of(setting, tree))
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._named(setting, tree)
        return Node(self._made_of(setting, tree))

    def _made_of(self, setting: Setting, tree: ast.expr) -> Setting:
        setting.reads = self._reads(tree)
        return setting

    def _dict(self, setting: Setting, parts: Iterable) -> Node:
        node = Node(setting, dict)
        for name, tree in parts:
            below = setting.key if name is None else f'{setting.key}.{name}'
            child = self._value(tree, below, tree.lineno)
            if name is not None:
                node.children[name] = child
            elif child.kind is dict:
                node.children.update(come_with(setting, child.children))
            else:  # more keys, nobody knows which
                return Node(self._made_of(setting, setting.expression))
        return node

    def _list(self, setting: Setting, trees: list[ast.expr]) -> Node:
        parts = []
        for tree in trees:
            key = f'{setting.key}.{sum(len(p.children) for p in parts)}'
            if isinstance(tree, ast.Starred):
                part = self._value(tree.value, key, tree.lineno)
                if part.kind is not list:
                    return Node(self._made_of(setting, setting.expression))
            else:
                child = self._value(tree, key, tree.lineno)
                part = Node(child.setting, list, {0: child})
            parts.append(part)
        return joined(setting, parts)

    def _named(self, setting: Setting, tree: ast.expr) -> Node:
        """What ``name``, ``name['key']`` or ``_base_.name[0].key`` stands for."""
        keys, root = _path(tree)
        if isinstance(root, ast.Attribute):
            source, name = self.bases, root.attr
        else:
            source, name = self, getattr(root, 'id', None)
        node, variable = source.nodes.get(name), source.variables.get(name)
        if keys is None or node is None:
            return Node(self._made_of(setting, tree))
        variable.used = variable.used or variable.name != self.target
        for i, key in enumerate(keys):
            if isinstance(key, slice) and node.kind is list and i == len(keys) - 1:
                chosen = list(node.children.values())[key]
                node = Node(node.setting, list, dict(enumerate(chosen)))
            else:
                below = None if isinstance(key, slice) else node.child(key)
                if below is None:
                    return Node(self._made_of(setting, tree))
                node = below
        return copied(node, setting, variable)


def _loop_names(tree: ast.AST) -> set[str]:
    """Names that loops and comprehensions count by."""
    return {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, (ast.For, ast.comprehension))
        for name in ast.walk(node.target)
        if isinstance(name, ast.Name)
    }


def _is_constant(tree: ast.expr | None) -> bool:
    return isinstance(tree, ast.Constant)


def _is_base(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Name) and tree.id == BASE


def _path(tree: ast.expr) -> tuple[list | None, ast.expr]:
    """Keys below a name, or below a name of ``_base_``, and that name.

    The keys are None where they are not written out.
    """
    if isinstance(tree, ast.Attribute) and not _is_base(tree.value):
        keys, root = _path(tree.value)
        return (None if keys is None else [*keys, tree.attr]), root
    if isinstance(tree, ast.Subscript):
        keys, root = _path(tree.value)
        try:
            key = _key(tree.slice)
        except ValueError:
            keys = None
        return (None if keys is None else [*keys, key]), root
    return [], tree


def _key(tree: ast.expr) -> Any:
    """A constant index, key or slice.

    Raises:
        ValueError: If it is not written out.
    """
    if isinstance(tree, ast.Slice):
        bounds = (tree.lower, tree.upper, tree.step)
        return slice(*(None if b is None else ast.literal_eval(b) for b in bounds))
    return ast.literal_eval(tree)
