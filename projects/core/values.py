"""What a value may be, in words and as a check: of configs, options and arguments."""

import math
from collections.abc import Callable
from functools import wraps
from inspect import signature
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any, NamedTuple

from projects.core.errors import UserError, one_line


class Rule(NamedTuple):
    """What a value may be: in ``words`` for a message, and whether one is."""

    words: str
    fits: Callable[[Any], bool]

    def refusal(self, value: Any) -> str | None:
        """'a number of at least 0, not '3'', or None where the value fits."""
        return None if self.fits(value) else f'{self.words}, not {shown(value)}'


def shown(value: Any) -> str:
    """A value as Python writes it, cut to a line's part."""
    return one_line(repr(value), 60)


def _range(least, most) -> str:
    if least is None:
        return ''
    return f' of at least {least}' if most is None else f' from {least} to {most}'


def _between(value, least, most) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def whole(least: int | None = None, most: int | None = None) -> Rule:
    """A whole number in a range, both ends included; True is none."""
    return Rule(
        f'a whole number{_range(least, most)}',
        lambda v: (
            isinstance(v, Integral)
            and not isinstance(v, bool)
            and _between(v, least, most)
        ),
    )


def number(least: float | None = None, most: float | None = None) -> Rule:
    """A finite number in a range, both ends included; True is none."""
    return Rule(
        f'a number{_range(least, most)}',
        lambda v: (
            isinstance(v, Real)
            and not isinstance(v, bool)
            and (isinstance(v, Integral) or math.isfinite(v))
            and _between(v, least, most)
        ),
    )


def above(least: float) -> Rule:
    """A finite number greater than a limit."""
    return Rule(
        f'a number above {least}', lambda v: number(least).fits(v) and v > least
    )


def of_type(words: str, *types: type) -> Rule:
    """A value of one of these types."""
    return Rule(words, lambda v: isinstance(v, types))


def optional(rule: Rule) -> Rule:
    """None, or what ``rule`` says."""
    return either(rule, Rule('None', lambda v: v is None))


def either(*rules: Rule) -> Rule:
    """What one of the rules says."""
    return Rule(
        ' or '.join(rule.words for rule in rules),
        lambda v: any(rule.fits(v) for rule in rules),
    )


def several(rule: Rule) -> Rule:
    """What ``rule`` says, or a list of that."""
    return Rule(
        f'{rule.words}, or a list of that',
        lambda v: (
            rule.fits(v) or (isinstance(v, (list, tuple)) and all(map(rule.fits, v)))
        ),
    )


def pair(rule: Rule) -> Rule:
    """A list of two values as ``rule`` says."""
    return Rule(
        f'two values, each {rule.words}',
        lambda v: (
            isinstance(v, (list, tuple)) and len(v) == 2 and all(map(rule.fits, v))
        ),
    )


FLAG = of_type('True or False', bool)
TEXT = Rule('a text', lambda v: isinstance(v, str) and v != '')
PATH = Rule(
    'a path', lambda v: isinstance(v, str) and v.strip() != '' and '\0' not in v
)
# what numpy's and torch's generators both take
SEED = whole(0, 2**32 - 1)
LAUNCHER = Rule(
    "'none', 'pytorch', 'slurm' or 'mpi'",
    lambda v: v in ('none', 'pytorch', 'slurm', 'mpi'),
)


def checked(**rules: Rule) -> Callable:
    """Decorator of a function of the Python API: refuses an argument by its rule.

    A path may be a :class:`pathlib.Path` and is passed on as a string. A default
    is not looked at.

    Raises:
        UserError: On the first argument that does not fit, with what does.
    """

    def decorate(function: Callable) -> Callable:
        parameters = signature(function).parameters
        if unknown := rules.keys() - parameters.keys():
            raise TypeError(f'{function.__name__} has no {unknown}')

        @wraps(function)
        def call(*args, **kwargs):
            given = dict(zip(parameters, args, strict=False)) | kwargs
            for name, rule in rules.items():
                if name not in given:
                    continue
                value = given[name]
                if isinstance(value, PathLike):
                    value = fspath(value)
                default = parameters[name].default
                if value is not default and (refusal := rule.refusal(value)):
                    raise UserError(f'{name.rstrip("_")}: {refusal}')
                if name in kwargs:
                    kwargs[name] = value
                else:
                    place = list(parameters).index(name)
                    args = (*args[:place], value, *args[place + 1 :])
            return function(*args, **kwargs)

        return call

    return decorate
