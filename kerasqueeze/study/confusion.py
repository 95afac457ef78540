"""What is taken for what: the confusion matrix, and precision and recall of each class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kerasqueeze.study.results import Result
from kerasqueeze.study.statistics import Interval

RESAMPLES = 1000


def counts(label: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix (C, C) of N photos: rows are the true class, columns the predicted one."""
    cells = np.asarray(label) * classes + np.asarray(predicted)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def of_result(result: Result) -> np.ndarray | None:
    """Return the confusion matrix (C, C) of an experiment, summed over its seeds; None without predictions."""
    found = [result.of_seed(seed) for seed in result.runs]
    matrices = [
        counts(frame["label"].to_numpy(), frame["predicted"].to_numpy(), result.data["classes"])
        for frame in found
        if frame is not None
    ]
    return np.sum(matrices, axis=0) if matrices else None


def scores(matrix: np.ndarray) -> dict[str, float]:
    """Return accuracy and macro precision and recall of a confusion matrix, 0 where nothing is there to divide by."""
    precision, recall = _shares(matrix)
    return {
        "accuracy": float(np.trace(matrix) / max(1, matrix.sum())),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
    }


def table(matrix: np.ndarray, names: Sequence[str], seeds: int = 1) -> pd.DataFrame:
    """Return a row a class: its photos, how often it was predicted, precision, recall, F1, and what it is taken for.

    Args:
        matrix: Confusion matrix (C, C), summed over seeds; precision and recall are those of the sum.
        names: The C names of the classes.
        seeds: Number of seeds in the sum; `photos` is the number in the test half.
    """
    precision, recall = _shares(matrix)
    both = precision + recall
    wrong = matrix - np.diag(np.diag(matrix))
    return pd.DataFrame(
        {
            "class": range(len(names)),
            "name": list(names),
            "photos": matrix.sum(axis=1) // seeds,
            "seeds": seeds,
            "right": np.diag(matrix),
            "predicted": matrix.sum(axis=0),
            "precision": precision,
            "recall": recall,
            "f1": np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0),
            "mostly_taken_for": [names[row.argmax()] if row.any() else "" for row in wrong],
            "taken": wrong.max(axis=1),
        }
    )


def most_confused(matrix: np.ndarray, names: Sequence[str], pairs: int = 15) -> pd.DataFrame:
    """Return the cells off the diagonal that hold most: true class, predicted class, count, share of the true class."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:pairs]
    rows, columns = np.unravel_index(order, matrix.shape)
    kept = wrong[rows, columns] > 0
    rows, columns = rows[kept], columns[kept]
    return pd.DataFrame(
        {
            "true": [names[row] for row in rows],
            "predicted": [names[column] for column in columns],
            "count": matrix[rows, columns],
            "share": matrix[rows, columns] / matrix.sum(axis=1)[rows],
        }
    )


def over_photos(label: np.ndarray, predicted: np.ndarray, classes: int, seed: int = 0) -> dict[str, Interval]:
    """Return macro precision and recall of one network with percentile bootstrap intervals over its test photos.

    A macro average is no share of photos, so Wilson's interval is not for it. Each class is resampled by itself, as a
    test half has a fixed number of each; thousands of photos, unlike a few seeds, are enough for a bootstrap.

    Args:
        label: True classes (N,).
        predicted: Predicted classes (N,).
        classes: Number of classes C.
        seed: Of the resampling.
    """
    matrix = counts(label, predicted, classes)
    rng = np.random.default_rng(seed)
    photos = matrix.sum(axis=1)
    shares = matrix / np.maximum(photos, 1)[:, None]
    shares[photos == 0, 0] = 1.0  # no photo is drawn there; the shares only have to add up to 1
    drawn = [scores(rng.multinomial(photos, shares)) for _ in range(RESAMPLES)]
    found = scores(matrix)
    limits = {key: np.quantile([draw[key] for draw in drawn], [0.025, 0.975]) for key in ("precision", "recall")}
    return {key: Interval(found[key], float(low), float(high)) for key, (low, high) in limits.items()}


def _shares(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    right = np.diag(matrix).astype(float)
    return right / np.maximum(matrix.sum(axis=0), 1), right / np.maximum(matrix.sum(axis=1), 1)
