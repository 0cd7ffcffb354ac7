"""DataError: what every reader and every type of data refuses with."""


class DataError(ValueError):
    """Data that cannot be used.

    The message names the rule, what was received (with the file and the line where there is one)
    and the remedy.
    """
