"""Reading and writing the record of an experiment, `CSV/<experiment>.json`."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasqueeze import progress
from kerasqueeze.errors import UserError
from kerasqueeze.files import write_text
from kerasqueeze.history import schema

AGAIN = "move it away and run the experiment again"
_left_out: set[str] = set()


class Foreign(UserError):
    """A JSON file that is not the record of an experiment."""


def read_json(path: Path) -> dict[str, Any]:
    """Read the record of an experiment.

    Raises:
        UserError: If the file is missing or does not have the `schema` of a record: one line with the file and the key.
        Foreign: If it is something else altogether.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no record at {path}; run the experiment first: python scripts/run.py --exp {path.stem}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not JSON ({reason}); {AGAIN}") from None
    if not isinstance(record, dict) or not {"experiment", "data", "runs"} & record.keys():
        raise Foreign(f"{path} is not the record of an experiment; {AGAIN}")
    problem = schema.problem(record)
    if problem:
        raise UserError(f"{path}: {problem}; {AGAIN}")
    return record


def read_others(paths: Iterable[Path]) -> dict[Path, dict[str, Any]]:
    """Read the records among files that nobody asked for by name.

    Those that are none are left out with a warning, once for a file; hidden files, such as the `._x.json` of macOS,
    without.
    """
    found = {}
    for path in paths:
        if path.name.startswith("."):
            continue
        try:
            found[path] = read_json(path)
        except UserError as error:
            if str(error) not in _left_out:
                _left_out.add(str(error))
                progress.warn(f"warning: left out: {error}")
    return found


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write the record of an experiment as strict JSON, whole or not at all; what is not finite becomes null."""
    write_text(path, json.dumps(_finite(record), indent=2, allow_nan=False) + "\n")


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
