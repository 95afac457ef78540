"""Trained networks on photos that they were not trained for: scores, their files, and what having seen photos is worth.

`CSV/evaluations/<name>.csv` has a row a photo; `<name>.json` beside it says which network, photos and classes.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file
from kerasqueeze.history import tables
from kerasqueeze.study import confusion
from kerasqueeze.study.calibration import reliability
from kerasqueeze.study.statistics import Interval, wilson

COLUMNS = ("photo", "label", "predicted", "predicted_among", "confidence", "in_top5")


def rows(names: Sequence[str], labels: np.ndarray, probabilities: np.ndarray, among: Sequence[int]) -> pd.DataFrame:
    """Return a row for each of N photos.

    Args:
        names: Of the photos.
        labels: True classes (N,).
        probabilities: (N, C).
        among: The classes that the photos have; `predicted_among` is the most probable of these.
    """
    numbers = np.asarray(among)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return pd.DataFrame(
        {
            "photo": list(names),
            "label": labels,
            "predicted": order[:, 0],
            "predicted_among": numbers[probabilities[:, numbers].argmax(axis=1)],
            "confidence": probabilities.max(axis=1).round(6),
            "in_top5": (order[:, :5] == np.asarray(labels)[:, None]).any(axis=1).astype(int),
        }
    )


def scores(frame: pd.DataFrame, classes: int, among: Sequence[int], only_among: bool = False) -> dict[str, Interval]:
    """Return accuracy, top-5 (among all classes), macro precision and recall, with 95 % intervals over photos.

    Precision and recall are means over the classes that the photos have.

    Args:
        frame: As `rows` returns it.
        classes: How many the network has.
        among: The classes that the photos have.
        only_among: Score the most probable of those classes in place of all.
    """
    place = {number: position for position, number in enumerate(among)}
    label = frame["label"].map(place).to_numpy()
    # All other classes are one more, which no photo has.
    predicted = frame["predicted_among" if only_among else "predicted"].map(place).fillna(len(place)).to_numpy(int)
    found = {"accuracy": wilson(float((label == predicted).mean()), len(frame))}
    if not only_among and classes > 5:
        found["top5"] = wilson(float(frame["in_top5"].mean()), len(frame))
    macro = confusion.over_photos(label, predicted, len(place) + 1)
    share = (len(place) + 1) / len(place)  # of the classes that there are
    return found | {key: Interval(*(limit * share for limit in interval)) for key, interval in macro.items()}


def calibration_error(frame: pd.DataFrame) -> float:
    """Return the expected calibration error among all classes."""
    return reliability(frame["confidence"].to_numpy(), (frame["label"] == frame["predicted"]).to_numpy()).error


def newcombe(a: tuple[int, int], b: tuple[int, int]) -> Interval:
    """Return the difference of two independent shares with its 95 % interval from both Wilson intervals.

    Args:
        a: How many are right, and of how many photos.
        b: The same of the other photos.

    Source: Newcombe, Statistics in Medicine 17 (1998) 873–890, method 10.
    """
    first, second = (wilson(right / photos, photos) for right, photos in (a, b))
    difference = first.estimate - second.estimate
    below = math.hypot(first.estimate - first.low, second.high - second.estimate)
    above = math.hypot(first.high - first.estimate, second.estimate - second.low)
    return Interval(difference, difference - below, difference + above)


def folder(out: Path) -> Path:
    """Return where evaluations lie below the folder of results."""
    return Path(out) / "CSV" / "evaluations"


def write(out: Path, name: str, frame: pd.DataFrame, about: dict[str, Any]) -> Path:
    """Write an evaluation: `about` names the network, the photos and the classes. Return the path of the table.

    Raises:
        UserError: The name is no plain one.
    """
    if not name or not name.replace("_", "").replace("-", "").isalnum():
        raise UserError(f"{name!r} is no name for an evaluation; expected letters, digits, - and _ only")
    path = folder(out) / f"{name}.csv"
    with whole_file(path) as part:
        frame.loc[:, list(COLUMNS)].to_csv(part, index=False, lineterminator="\n")
    history.write_json(path.with_suffix(".json"), about)
    return path


def read(path: Path) -> pd.DataFrame:
    """Read the rows of an evaluation.

    Raises:
        UserError: It is no such file.
    """
    whole = ("label", "predicted", "predicted_among", "in_top5")
    return tables.read(path, "evaluate anew", COLUMNS, whole=whole, text=("photo",))
