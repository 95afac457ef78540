"""The errors that a command ends with in one line: a user's to mend, or a stop that was asked for."""

from collections.abc import Iterable


class UserError(ValueError):
    """Bad input: one line that names the value, what was expected and the remedy.

    Scripts print it as it is and leave with exit code 2.
    """


class Interrupted(Exception):
    """A signal ended the run in good order; scripts print the line and leave with 128 plus the signal's number.

    Args:
        number: The signal's.
        line: Where the run stands, and how to go on.
    """

    def __init__(self, number: int, line: str):
        super().__init__(line)
        self.number = number


def unknown(kind: str, value: object, choices: Iterable[str]) -> UserError:
    """Return the error for a name that is not in a table: what it was, and all there is to choose from."""
    return UserError(f"unknown {kind} {value!r}; choose from: {', '.join(sorted(choices))}")
