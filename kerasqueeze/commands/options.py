"""What every command shares: one-line errors, exit codes, an interrupt that leaves no traceback."""

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from kerasqueeze.errors import Interrupted, UserError

SETTINGS = {
    "dataset": str,
    "model": str,
    "weights": str,
    "optimizer": str,
    "amsgrad_form": str,
    "learning_rate": float,
    "weight_decay": float,
    "ema_momentum": float,
    "label_smoothing": float,
    "head": str,
    "dropout": float,
    "crop_area": float,
    "crop_size": int,
    "colour": float,
    "erase": float,
    "warmup_steps": int,
    "clip_norm": float,
    "epochs": int,
    "batch_size": int,
    "image_size": int,
    "patience": int,
    "limit": int,
}
"""Settings of an experiment that options change."""


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


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str] = SETTINGS) -> None:
    """Add an option for each of these settings of an experiment."""
    group = parser.add_argument_group("settings, in place of the experiments' own")
    notes = {
        "weights": "none, imagenet, or a .pth, .weights.h5 or .keras file",
        "limit": "most training photos a class",
    }
    for name in names:
        group.add_argument(f"--{name.replace('_', '-')}", type=SETTINGS[name], help=notes.get(name))


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given."""
    return {name: value for name in SETTINGS if (value := getattr(arguments, name, None)) is not None}


def add_ways(parser: argparse.ArgumentParser) -> None:
    """Add the options that change how fast a result comes, and not the result."""
    parser.add_argument(
        "--lowering", default="auto", help="how networks are computed: auto, fast, stock (default: auto)"
    )
    parser.add_argument(
        "--feed",
        choices=("auto", "host", "device"),
        default="auto",
        help="where the photos are kept while training (auto: on the device if it is an accelerator and they fit)",
    )


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
