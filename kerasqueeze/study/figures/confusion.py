"""The picture of a confusion matrix."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.colors import PowerNorm

from kerasqueeze.study import confusion
from kerasqueeze.study.figures import drawing
from kerasqueeze.study.figures.drawing import plt
from kerasqueeze.study.labels import label
from kerasqueeze.study.results import Result


def path(out: Path, name: str) -> Path:
    """Return where the picture of the confusion matrix of `name` lies below `out`."""
    return Path(out) / "PNG" / f"{name}_confusion.png"


def draw(result: Result, out: Path) -> None:
    """Draw the confusion matrix of an experiment, summed over its seeds, where its predictions are recorded."""
    matrix = confusion.of_result(result)
    if matrix is not None:
        seeds = f", {len(result.runs)} seeds" if len(result.runs) > 1 else ""
        title = f"{label(result)}: {result.data['test']} test photos{seeds}"
        draw_matrix(matrix, result.class_names, title, path(out, result.name))


def draw_matrix(matrix: np.ndarray, names: Sequence[str], title: str, path: Path) -> None:
    """Draw a confusion matrix (C, C) as a PNG: each row as shares of its class, small shares made visible.

    Every class is named on both sides up to 150 classes; the picture grows with them.
    """
    classes = len(names)
    side = min(20.0, max(4.5, 0.125 * classes + 3))
    figure, axes = plt.subplots(figsize=(side + 1, side), layout="constrained")
    shares = matrix / np.maximum(matrix.sum(axis=1), 1)[:, None]
    colors = mpl.colormaps["magma_r"].with_extremes(under="white")  # white is nothing at all
    cells = axes.imshow(shares, cmap=colors, norm=PowerNorm(0.5, vmin=1e-6, vmax=1), interpolation="nearest")
    axes.set(title=title, xlabel="predicted class", ylabel="true class")
    if classes <= 150:
        size = 5.5 if classes > 40 else 8
        written = drawing.names(names)
        axes.set_xticks(range(classes), written, rotation=90, fontsize=size)
        axes.set_yticks(range(classes), written, fontsize=size)
        axes.tick_params(length=0, pad=2)
    for place in range(10, classes, 10):  # to find one's way from a name to its cell
        axes.axhline(place - 0.5, color="0.85", linewidth=0.5)
        axes.axvline(place - 0.5, color="0.85", linewidth=0.5)
    axes.spines[:].set_color("0.7")
    bar = figure.colorbar(cells, ax=axes, label="share of the true class's photos", shrink=0.6, pad=0.01)
    bar.set_ticks([0.01, 0.05, 0.2, 0.5, 1], labels=["0.01", "0.05", "0.2", "0.5", "1"])
    drawing.save(figure, path)
