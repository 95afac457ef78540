"""What every command shares: one-line errors, exit codes, an interrupt that leaves no traceback."""

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from kerasqueeze.errors import Interrupted, UserError


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line on standard error, exit code 2, and that knows no abbreviations."""

    def __init__(self, **kwargs: Any):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Print the one line and leave."""
        self.exit(2, f"error: {message} (--help lists the options)\n")


def seeds(text: str) -> list[int]:
    """Read `0,1,2`: whole numbers from 0 up, each once."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = [-1]
    if min(found) < 0 or max(found) >= 2**32 or len(set(found)) != len(found):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of seeds; expected whole numbers such as 0,1,2, each once"
        )
    return found


def command(main: Callable[[], None]) -> NoReturn:
    """Run `main` and leave: 0 when it ends well, 2 with one line for bad input, 128 plus the signal's number when
    one stopped it, so 130 after an interrupt.
    """
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(128 + stop.number)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)
