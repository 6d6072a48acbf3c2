"""Classes by their names, as a user gives them."""

from collections.abc import Sequence

from projects.core.errors import UserError, did_you_mean, listed


def chosen_class(
    wanted: str | int | None, classes: Sequence[str], checkpoint: str
) -> int | None:
    """The class of a name or a number; None where none is wanted.

    Raises:
        UserError: If there is no such class.
    """
    if wanted is None:
        return None
    if not classes:
        raise UserError(
            f'--class {wanted}: the model of {checkpoint} was trained without classes; '
            'leave it out'
        )
    wanted = str(wanted)
    if wanted in classes:
        return list(classes).index(wanted)
    if wanted.isdecimal() and int(wanted) < len(classes):
        return int(wanted)
    raise UserError(
        f'--class {wanted}: there are {listed(classes)}' + did_you_mean(wanted, classes)
    )
