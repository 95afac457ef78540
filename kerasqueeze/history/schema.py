"""The schema of a record: what each key of `CSV/<experiment>.json` has to hold.

Keys that are not here are let through, and keys marked with a `?` may be missing: records of earlier and of later
versions are read as well.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

MOST = 10**9


class Kind(NamedTuple):
    """What a value has to be.

    Attributes:
        words: The same in words.
        fits: Tells whether a value is.
    """

    words: str
    fits: Callable[[Any], bool]


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def is_count(value: Any) -> bool:
    """Tell whether a value is a whole number from 0 to `MOST`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _or_null(kind: Kind) -> Kind:
    return Kind(f"{kind.words} or null", lambda value: value is None or kind.fits(value))


TEXT = Kind("text", lambda value: isinstance(value, str))
COUNT = Kind("a whole number from 0 up", is_count)
POSITIVE = Kind("a whole number from 1 up", lambda value: is_count(value) and value > 0)
NUMBER = Kind("a number", is_number)
DURATION = Kind("a number from 0 up", lambda value: is_number(value) and 0 <= value <= MOST)
SHARE = Kind("a number from 0 to 1", lambda value: is_number(value) and 0 <= value <= 1)
PLAIN = Kind(
    "text, a number, true, false or null", lambda value: isinstance(value, str | bool | None) or is_number(value)
)
NAMES = Kind("a list of texts", lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value))

SETTINGS = {
    **dict.fromkeys(("name", "dataset", "model", "weights", "optimizer"), TEXT),
    **dict.fromkeys(("amsgrad_form?", "head?"), TEXT),
    "image_size": POSITIVE,
    "epochs": COUNT,
    "batch_size?": POSITIVE,
    **dict.fromkeys(("crop_size?", "limit?"), _or_null(POSITIVE)),
    **dict.fromkeys(("learning_rate?", "label_smoothing?"), NUMBER),
    "*": PLAIN,
}
DATA = {
    "name": TEXT,
    "fingerprint": TEXT,
    "classes": POSITIVE,
    "class_names?": NAMES,
    **dict.fromkeys(("train", "validation", "test"), COUNT),
}
TEST = {
    **dict.fromkeys(("accuracy", "precision", "recall"), SHARE),
    "top5?": SHARE,
    "photos?": COUNT,
    "*": _or_null(NUMBER),
}
RUN = {
    "outcome": TEXT,
    "epochs": COUNT,
    "best_epoch": COUNT,
    "seconds": DURATION,
    **dict.fromkeys(("reason?", "finished?"), TEXT),
    **dict.fromkeys(("code?", "git_revision?", "initial_weights?", "first_batch?"), _or_null(TEXT)),
    "validation?": {"*": _or_null(NUMBER)},
    "test?": TEST,
    "temperature?": NUMBER,
    **{key: {"*": PLAIN} for key in ("versions?", "hardware?", "numerics?")},
    "rows?": {"*": TEXT},
}
RECORD = {
    "experiment": SETTINGS,
    "data": DATA,
    "weights?": {"file": TEXT, "sha256?": _or_null(TEXT), "*": PLAIN},
    "code?": _or_null(TEXT),
    "runs": {"*": RUN},
}
"""By key: a kind, or a table of the same for what lies below; `*` is for every key that is not named."""


def problem(record: Any) -> str:
    """Return what is wrong with a record, such as `runs.0.epochs is 'x'; expected a whole number from 0 up`, or ""."""
    return _problem(record, RECORD, "") or _contradiction(record)


def _problem(value: Any, expected: Kind | Mapping[str, Any], path: str) -> str:
    if isinstance(expected, Kind):
        return "" if expected.fits(value) else f"{path} is {_shown(value)}; expected {expected.words}"
    if not isinstance(value, dict):
        return f"{path or 'the record'} is {_shown(value)}; expected names with values"
    named = {key.removesuffix("?"): below for key, below in expected.items()}
    missing = [key for key in expected if not key.endswith("?") and key != "*" and key not in value]
    if missing:
        return f"{path}.{missing[0]} is missing".lstrip(".")
    for key, below in value.items():
        kind = named.get(key, named.get("*"))
        found = "" if kind is None else _problem(below, kind, f"{path}.{_name(key)}".lstrip("."))
        if found:
            return found
    return ""


def _contradiction(record: dict[str, Any]) -> str:
    """Return what cannot be true of values that are each possible."""
    data = record["data"]
    names = data.get("class_names")
    if names is not None and len(names) != data["classes"]:
        return f"data.class_names has {len(names)} names; expected {data['classes']}, as data.classes says"
    for seed, run in record["runs"].items():
        if not (seed.isascii() and seed.isdecimal() and str(int(seed)) == seed and int(seed) <= 2**53):
            return f"runs has the key {_name(seed)!r}; expected a seed, a whole number from 0 up"
        if run["best_epoch"] > run["epochs"]:
            return f"runs.{seed}.best_epoch is {run['best_epoch']}; expected at most its epochs, {run['epochs']}"
        if "test" in run and not data["test"]:
            return "data.test is 0; expected the number of test photos, for there are scores on them"
    return ""


def _name(key: str) -> str:
    return key if key.isprintable() and len(key) <= 40 else ascii(key[:40])[1:-1]


def _shown(value: Any) -> str:
    text = {dict: "an object", list: "a list", type(None): "null"}.get(type(value)) or ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
