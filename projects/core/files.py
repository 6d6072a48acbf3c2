"""Folders that results are written to."""

import os
import tempfile

from projects.core.errors import UserError


def make_folder(path: str, option: str = '--work-dir') -> None:
    """Make the folder of an option and see whether it can be written to.

    Raises:
        UserError: If not.
    """
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(
            f'{path} cannot be written to: {error.strerror}; '
            f'choose another folder with {option}'
        ) from error
