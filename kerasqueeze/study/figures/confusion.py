"""What is taken for what: the confusion matrix, precision and recall of each class, and their picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm

from kerasqueeze.files import whole_file
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


def picture_path(out: Path, name: str) -> Path:
    """Return where the picture of the confusion matrix of `name` lies below `out`."""
    return Path(out) / "PNG" / f"{name}_confusion.png"


def draw(matrix: np.ndarray, names: Sequence[str], title: str, path: Path) -> None:
    """Draw a confusion matrix (C, C) as a PNG: each row as shares of its class, small shares made visible.

    Every class is named on both sides up to 150 classes; the picture grows with them.
    """
    classes = len(names)
    side = min(20.0, max(4.5, 0.125 * classes + 3))
    figure, axes = plt.subplots(figsize=(side + 1, side), layout="constrained")
    shares = matrix / np.maximum(matrix.sum(axis=1), 1)[:, None]
    colors = mpl.colormaps["magma_r"].with_extremes(under="white")  # white is nothing at all
    shown = axes.imshow(shares, cmap=colors, norm=PowerNorm(0.5, vmin=1e-6, vmax=1), interpolation="nearest")
    axes.set(title=title, xlabel="predicted class", ylabel="true class")
    if classes <= 150:
        size = 5.5 if classes > 40 else 8
        axes.set_xticks(range(classes), names, rotation=90, fontsize=size)
        axes.set_yticks(range(classes), names, fontsize=size)
        axes.tick_params(length=0, pad=2)
    for place in range(10, classes, 10):  # to find one's way from a name to its cell
        axes.axhline(place - 0.5, color="0.85", linewidth=0.5)
        axes.axvline(place - 0.5, color="0.85", linewidth=0.5)
    axes.spines[:].set_color("0.7")
    bar = figure.colorbar(shown, ax=axes, label="share of the true class's photos", shrink=0.6, pad=0.01)
    bar.set_ticks([0.01, 0.05, 0.2, 0.5, 1], labels=["0.01", "0.05", "0.2", "0.5", "1"])
    with whole_file(path) as part:
        figure.savefig(part, dpi=100, metadata={"Software": None})
    plt.close(figure)


def _shares(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    right = np.diag(matrix).astype(float)
    return right / np.maximum(matrix.sum(axis=0), 1), right / np.maximum(matrix.sum(axis=1), 1)
