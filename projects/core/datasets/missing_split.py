"""A split that is not there, in the place of its data set."""

from projects.core.errors import UserError
from projects.registry import DATASETS

MISSING = 'projects.missing_split'


@DATASETS.register_module()
def missing_split(reason: str, **kwargs) -> None:
    """Say why there are no data, when they are asked for.

    Cross-validation, which takes its validation data out of the training's, never
    asks.

    Args:
        reason: What was looked for, and what to do.
        **kwargs: Of the data set that would be there, such as ``pipeline``.

    Raises:
        UserError: With the reason.
    """
    raise UserError(reason)
