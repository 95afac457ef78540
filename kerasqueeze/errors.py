"""The one error that is a user's to mend."""

from collections.abc import Iterable


class UserError(ValueError):
    """Bad input: one line that names the value, what was expected and the remedy.

    Scripts print it as it is and leave with exit code 2.
    """


def unknown(kind: str, value: object, choices: Iterable[str]) -> UserError:
    """Return the error for a name that is not in a table: what it was, and all there is to choose from."""
    return UserError(f"unknown {kind} {value!r}; choose from: {', '.join(sorted(choices))}")
