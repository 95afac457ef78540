"""What the commands' options have in common: how they are read, checked and explained."""

import argparse
import importlib
import os
from collections.abc import Container
from dataclasses import MISSING
from pathlib import Path
from typing import Any, NoReturn

from kerasqueeze import files
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.settings import Field, fields

NO_OPTION = ("name", "about")
"""Fields of an experiment that are no settings."""


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are `UserError`s, and that knows no abbreviations."""

    def __init__(self, usage: str = "%(prog)s [OPTIONS]", **kwargs: Any):
        super().__init__(usage=usage, formatter_class=_Formatter, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise the one line."""
        raise UserError(f"{message} (--help lists the options)")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Names the choices that another room keeps, whose tables are loaded for help alone, not at every start."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        field = fields(Experiment).get(action.dest)
        kept = _kept_elsewhere(field) if field else ()
        return f"{action.help}: {', '.join(kept)}{_default(field)}" if field and kept else action.help


def names(text: str) -> list[str]:
    """Read `a,b`: names, each once."""
    found = [part.strip() for part in text.split(",")]
    if not all(found) or len(set(found)) != len(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names; expected names such as a,b, each once")
    return found


def seeds(text: str) -> list[int]:
    """Read `0,1,2`: whole numbers from 0 up, each once."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = [-1]
    if min(found) < 0 or max(found) >= 2**32 or len(set(found)) != len(found):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of seeds; expected whole numbers such as 0,1,2, each once, below 2**32"
        )
    return found


def seed(text: str) -> int:
    """Read one seed."""
    found = seeds(text)
    if len(found) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is {len(found)} seeds; expected one, such as 0")
    return found[0]


def count(text: str) -> int:
    """Read a whole number from 1 up."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:12]) <= 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range; expected a whole number from 1 up, such as 5")
    return int(text)


def share(text: str) -> float:
    """Read a number above 0 and below 1."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range; expected a number above 0, below 1, such as 0.005")
    return found


def path(text: str) -> Path:
    """Read a path, `~` and `~user` included."""
    if not text:
        raise argparse.ArgumentTypeError("'' is no path; expected one such as . or ~/results")
    try:
        return files.expanded(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def folder(path: Path | None) -> Path:
    """Return a folder that has to be there."""
    if path is None or not path.is_dir():
        raise UserError(f"{str(path)!r} is not a folder; name the one that holds the photos: --data-dir DIR")
    return path


def check_out(out: Path, *folders: str) -> None:
    """Refuse a folder for results that cannot be written to, before any work is done for it.

    Args:
        out: The folder; it need not exist yet.
        folders: Folders below it that will be written to.
    """
    for place in (out, *(out / folder for folder in folders)):
        there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
        if not there.is_dir():
            raise UserError(f"no results fit below {str(there)!r}, which is a file; name a folder: --out DIR")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UserError(f"no right to write in {str(there)!r}; name another folder: --out DIR")


def add_experiments(parser: argparse.ArgumentParser, about: str, **kwargs: Any) -> None:
    """Add the option that names experiments."""
    parser.add_argument("--exp", type=names, metavar="NAME[,NAME...]", help=about, **kwargs)


def add_seeds(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the option that names seeds."""
    parser.add_argument(
        "--seeds", type=seeds, default=default, metavar="N[,N...]", help=f"one run for each (default: {default})"
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the photos are."""
    parser.add_argument(
        "--data-dir", type=path, metavar="DIR", help="where the photos are (default: the data set's own place)"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a trained network and what computes it."""
    parser.add_argument(
        "--model",
        required=True,
        metavar="MODEL",
        help="a .keras, .onnx or .tflite file, or imagenet:squeezenet1_1 (or 1_0) for ImageNet's own classes",
    )
    parser.add_argument("--weights", metavar="FILE", help="weights of imagenet:NAME (default: downloaded once)")
    parser.add_argument(
        "--runtime",
        choices=("keras", "onnx", "litert"),
        help="what computes it; a .keras file is exported for another than its own once (default: the file's own)",
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where results lie."""
    parser.add_argument("--out", type=path, default=".", metavar="DIR", help="where CSV/ and PNG/ lie (default: .)")


def add_margin(parser: argparse.ArgumentParser) -> None:
    """Add the option that says what counts as equivalent."""
    parser.add_argument(
        "--margin",
        type=share,
        default="0.005",
        metavar="X",
        help="difference in accuracy below which two experiments count as equivalent; a number above 0, below 1, to be "
        "chosen before the results are seen (default: 0.005)",
    )


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add the options that change how a run goes and what it says, and not its result."""
    parser.add_argument(
        "--lowering",
        choices=("auto", "fast", "stock"),
        default="auto",
        help="how SqueezeNet is computed: fast, as stock Keras does, or auto: fast on the CPU (default: auto)",
    )
    parser.add_argument(
        "--feed",
        choices=("auto", "host", "device"),
        default="auto",
        help="where the photos are kept while training; auto: on the device if it is an accelerator and they fit "
        "(default: auto)",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress, only warnings, errors and results")


def add_settings(parser: argparse.ArgumentParser, leave_out: Container[str] = ()) -> None:
    """Add an option for each setting of an experiment."""
    group = parser.add_argument_group(
        "settings",
        "Each replaces the experiments' own, which `run --list` shows. The defaults are those of an experiment that\n"
        "does not say otherwise.",
    )
    for field in fields(Experiment).values():
        if field.name in NO_OPTION or field.name in leave_out:
            continue
        option = f"--{field.name.replace('_', '-')}"
        if field.kind is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, help=_help(field))
        else:
            group.add_argument(option, type=field.kind, metavar=_metavar(field), help=_help(field))


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given.

    Raises:
        UserError: If one is a name that another room does not know.
    """
    given = {}
    for field in fields(Experiment).values():
        value = getattr(arguments, field.name, None)
        if value is None:
            continue
        kept = _kept_elsewhere(field)
        prefix = field.choices.prefix if field.choices else ""
        if kept and value not in kept and not (prefix and value.startswith(prefix)):
            raise unknown(field.noun, value, (*kept, f"{prefix}NAME") if prefix else kept)
        given[field.name] = value
    return given


def _kept_elsewhere(field: Field) -> tuple[str, ...]:
    kept_in = field.choices.kept_in if field.choices else ""
    return importlib.import_module(kept_in).NAMES if kept_in else ()


def _metavar(field: Field) -> str:
    if field.choices and field.choices.names:
        return f"{{{','.join(field.choices.shown())}}}"
    if field.range and field.range.unit:
        return field.range.unit.upper()
    return {int: "N", float: "X"}.get(field.kind, field.name.upper())


def _help(field: Field) -> str:
    """Return what a setting means, its range, unit and default."""
    if field.choices and field.choices.kept_in:
        return field.about  # the formatter adds the rest
    limits = f"; {field.range.words(field.kind is int, field.range.high)}" if field.range else ""
    return f"{field.about}{limits}{_default(field)}".replace("%", "%%")


def _default(field: Field) -> str:
    if field.default is MISSING or field.default is None:
        return ""
    if field.kind is bool:
        return f" (default: {'yes' if field.default else 'no'})"
    return f" (default: {field.default:g})" if field.kind is float else f" (default: {field.default})"
