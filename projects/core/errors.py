"""The exception that the tools show to a user without a traceback."""


class UserError(RuntimeError):
    """A mistake of the user: says what is wrong, in which file, and the mend.

    The tools print the message alone and exit with status 1.
    """
