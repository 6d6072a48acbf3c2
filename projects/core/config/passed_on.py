"""Variables of a config that are changed and reach nothing.

A base has copied its variables by the time a config changes them: a new
``train_pipeline`` is one that no loader reads, unless the config passes it on.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from projects.core.config.find import shown_path
from projects.core.config.own_keys import PASSED_ON
from projects.core.config.trace import trace
from projects.core.config.written import BASE, OPTIONS, Node, Setting, Trace, Variable
from projects.core.errors import UserError, one_line

MOST_LINES = 8


@dataclass
class Stale:
    """A part of a config that was made of a variable's former value.

    Args:
        keys: That lead to it.
        setting: Where it was written, last.
        variable: With the former value.
    """

    keys: tuple
    setting: Setting
    variable: Variable

    @property
    def path(self) -> str:
        """As ``--cfg-options`` names it."""
        return '.'.join(map(str, self.keys))

    @property
    def made_by(self) -> Setting:
        """What reads the variable itself."""
        setting = self.setting
        while self.variable not in setting.reads:
            setting = setting.origin
        return setting


def check_passed_on(
    cfg: Config, file: str, options: Iterable[str], read: frozenset[str]
) -> list[str]:
    """Look for variables that a config changes in vain.

    Args:
        cfg: The config, with the options over it.
        file: Its path.
        options: ``key.sub=value``.
        read: Keys at the top that something reads; what else there is, is a variable.

    Returns:
        Notices of those that reach a part of what was made of the former value.

    Raises:
        UserError: At the first that reaches nothing, with what passes it on.
    """
    try:
        return _check(cfg, trace(file, options), list(options), read)
    except UserError:
        raise
    except Exception:  # another kind of config: nothing is certain
        return []


def _check(
    cfg: Config, traced: Trace, options: list[str], read: frozenset[str]
) -> list[str]:
    notices, told = [], set()
    # a test that keeps a variable's former value is told of by the variable
    names = [n for n in traced.variables if n in traced.changed - {*PASSED_ON}]
    for name in sorted(names, key=lambda name: name in read):
        if name not in cfg or _other_split(name) in told:
            continue
        variable = traced.variables[name]
        stale = [
            part
            for part in _stale(traced, variable, read)
            if _is_other(cfg, variable, part)
        ]
        if not stale:
            continue
        if name in read:
            notices += _of_test(cfg, variable, stale)
        elif not variable.used and not _is_touched(traced, name, read):
            raise UserError(_refusal(variable, stale, options, traced, read))
        else:
            told.update(part.keys[0] for part in stale)
            lines = [line for part in stale for line in _lines(part, traced, read)]
            notices.append(
                f'{_place(variable)} sets {name}, but {_paths(stale)} '
                f'{_keeps(stale)} that of {_place(stale[0].variable)}; '
                f'{"; ".join(dict.fromkeys(lines))} passes it on'
            )
    return notices


def _stale(traced: Trace, last: Variable, read: frozenset[str]) -> Iterator[Stale]:
    """Parts that a run reads and that were made of a former value of a variable."""

    def search(keys: tuple, node: Node) -> Iterator[Stale]:
        # by which it came last; what that was made of does not count
        variables = node.setting.variables()
        variable = next((v for v in variables if v.name == last.name), None)
        if variable is None:
            for key, child in node.children.items():
                yield from search((*keys, key), child)
        elif variable is not last:
            yield Stale(keys, node.setting, variable)

    for name in traced.nodes:
        if name in read and name != last.name:
            yield from search((name,), traced.nodes[name])


def _is_touched(traced: Trace, name: str, read: frozenset[str]) -> bool:
    """Whether something that was made of a variable was set by hand since."""
    for key in read & traced.nodes.keys():
        for _, node in traced.nodes[key].nodes():
            *before, last = [
                any(v.name == name for v in setting.variables())
                for setting in node.setting.chain()
            ]
            if any(before) and not last:
                return True
    return False


def _is_other(cfg: Config, last: Variable, part: Stale) -> bool:
    """Whether a part has another value than the variable would give it now."""
    name, written = last.name, part.made_by.origin
    if part.made_by.file == last.file:
        return False  # made of the base's by name, where it is changed: it is meant
    if written is not None and written.key.split('.')[0] == name:
        return _at(cfg, written.key.split('.')) != _at(cfg, part.keys)
    former = part.variable
    if former.file == last.file:
        return False  # both in one file: it may be meant
    return Config.fromfile(former.file).get(name) != cfg[name]


def _at(cfg: Config, keys: Iterable) -> Any:
    value = cfg._cfg_dict
    for key in keys:
        if isinstance(value, (list, tuple)):
            value = value[int(key)] if int(key) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def _other_split(name: str) -> str | None:
    """'test_evaluator' of 'val_evaluator'."""
    return f'test_{name[4:]}' if name.startswith('val_') else None


def _of_test(cfg: Config, variable: Variable, stale: list[Stale]) -> list[str]:
    """Notice of a test that goes on as the validation did before."""
    name, other = variable.name, _other_split(variable.name)
    if [part.path for part in stale] != [other]:
        return []
    new, old = cfg[name], cfg[other]
    if not (new and old):  # one of the two is switched off
        return []
    if name == 'val_dataloader':  # other batches are no other test
        new, old = (loader and loader.get('dataset') for loader in (new, old))
    if new == old:
        return []
    return [
        f'{_place(variable)} changes {name} alone: {other} is still that of '
        f'{_place(stale[0].variable)}; {other} = {name} lets a test follow'
    ]


def _refusal(
    variable: Variable,
    stale: list[Stale],
    options: list[str],
    traced: Trace,
    read: frozenset[str],
) -> str:
    name = variable.name
    copy = f'{_paths(stale)} {_keeps(stale)} the {name} of {_place(stale[0].variable)}'
    if variable.file == OPTIONS:
        given = [o for o in options if o.partition('=')[0].split('.')[0] == name]
        lines = [
            part.path
            + (option.removeprefix(name) if part.made_by.stands_for(name) else '=...')
            for option in given
            for part in stale
        ]
        return (
            f'{OPTIONS} {given[-1]} reaches nothing: {copy}; set it there:\n    '
            f'{OPTIONS} {" ".join(lines[:MOST_LINES])}'
        )
    lines = [line for part in stale for line in _lines(part, traced, read)]
    lines = list(dict.fromkeys(lines))[:MOST_LINES]
    return (
        f'{_place(variable)} sets {name}, which reaches nothing: {copy}; pass it on '
        f'in {shown_path(variable.file)}:\n    ' + '\n    '.join(lines)
    )


def _lines(part: Stale, traced: Trace, read: frozenset[str]) -> list[str]:
    """What passes a variable on to a part."""
    numbers = [i for i, key in enumerate(part.keys) if isinstance(key, int)]
    name = part.variable.name
    if not numbers:
        return [_assignment(part.keys, _text_of(part.made_by, name, traced))]
    keys = part.keys[: numbers[0]]  # a list is set as a whole
    setting = traced.setting_of(keys)
    variables = list(setting.variables()) if setting else []
    for variable in variables:
        if variable.name not in read and setting.first.key == variable.name:
            return [
                f'{variable.name} = [...]  # again, with {name} in it',
                _assignment(keys, variable.name),
            ]
    return [_assignment(keys, '[...]') + f'  # again, with {name} in it']


def _assignment(keys: tuple, value: str) -> str:
    """``a = dict(b=dict(c=value))``."""
    name, *below = keys
    for key in reversed(below):
        value = f'dict({key}={value})'
    return f'{name} = {value}'


def _text_of(setting: Setting, name: str, traced: Trace) -> str:
    """The expression that read a variable, as it is written below the base."""

    class Below(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            if node.id != name and node.id in traced.variables:
                return ast.Attribute(ast.Name(BASE), node.id)
            return node

        def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
            if ast.unparse(node) == f'{BASE}.{name}':
                return ast.Name(name)
            return self.generic_visit(node)

    tree = ast.parse(setting.text, mode='eval').body
    return one_line(ast.unparse(Below().visit(tree)))


def _place(variable: Variable) -> str:
    if variable.line is None:
        return shown_path(variable.file)
    return f'line {variable.line} of {shown_path(variable.file)}'


def _paths(stale: list[Stale]) -> str:
    paths = [part.path for part in stale]
    return ', '.join(paths[:4]) + (', ...' if len(paths) > 4 else '')


def _keeps(stale: list[Stale]) -> str:
    return 'keeps' if len(stale) == 1 else 'keep'
