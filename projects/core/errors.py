"""The exception that the tools show to a user without a traceback, and the
turns of phrase of its messages."""

import difflib
from collections.abc import Iterable


class UserError(RuntimeError):
    """A mistake of the user: says what is wrong, in which file, and the fix.

    The tools print the message alone and exit with status 1.
    """


def close_names(name: str, names: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """At most three of ``names`` like ``name``, the closest first."""
    return difflib.get_close_matches(name, sorted(names), 3, cutoff)


def did_you_mean(
    name: str, names: Iterable[str], cutoff: float = 0.6, prefix: str = ''
) -> str:
    """ "; did you mean ...?", or nothing where no name is close.

    ``prefix`` stands before each name that is shown.
    """
    close = close_names(name, names, cutoff)
    return (
        '; did you mean ' + ' or '.join(f"'{prefix}{c}'" for c in close) + '?'
        if close
        else ''
    )


def listed(values: Iterable, limit: int = 5) -> str:
    """The first of some values, and whether there are more."""
    values = list(values)
    text = ', '.join(map(str, values[:limit]))
    return (text + ', ...' if len(values) > limit else text) or 'nothing'


def one_line(text: object, limit: int = 300) -> str:
    """A text without its line breaks, cut to a length."""
    text = ' '.join(str(text).split())
    return text if len(text) <= limit else f'{text[: limit - 4]} ...'


def described(error: BaseException) -> str:
    """Class and text of an error on one line."""
    return f'{type(error).__name__}: {one_line(error)}'.removesuffix(': ')
