"""The reliability diagram: how often a network is right where it says that it is so sure, before and after scaling."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasqueeze.study.calibration import Reliability, reliability
from kerasqueeze.study.figures import drawing
from kerasqueeze.study.figures.drawing import plt
from kerasqueeze.study.results import Result

FORMS = {
    "confidence": ("as trained", {"color": "#b2182b", "marker": "o", "markerfacecolor": "white", "linestyle": ":"}),
    "calibrated": ("at the fitted temperature", {"color": "#2166ac", "marker": "s", "linestyle": "-"}),
}
"""The columns of predictions, how they are called and drawn."""
COLUMNS = 4


def path(out: Path, study: str = "") -> Path:
    """Return where the diagram lies below `out`."""
    return Path(out) / "PNG" / (f"{study}_calibration.png" if study else "calibration.png")


def known(results: Sequence[Result]) -> list[Result]:
    """Return the results whose predictions have their probabilities."""
    return [r for r in results if r.predictions is not None and r.predictions["calibrated"].notna().any()]


def of_result(result: Result, column: str) -> Reliability:
    """Return the bins of all seeds' photos together."""
    assert result.predictions is not None
    found = result.predictions[result.predictions["seed"].isin(list(result.runs))].dropna(subset=["calibrated"])
    return reliability(found[column].to_numpy(), (found["label"] == found["predicted"]).to_numpy())


def draw(results: Sequence[Result], target: Path) -> None:
    """Draw a panel for each experiment; a marker's area grows with the photos in its bin."""
    columns = min(len(results), COLUMNS)
    rows = -(-len(results) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.6 * columns + 0.6, 3.9 * rows + 0.5), layout="constrained", squeeze=False
    )
    for result, panel in zip(results, axes.flat, strict=False):
        _draw_panel(panel, result)
    for panel in axes.flat[len(results) :]:
        panel.set_axis_off()
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Test photos: share that is right by probability of the predicted class")
    drawing.save(figure, target)


def _draw_panel(panel: Any, result: Result) -> None:
    panel.plot([0, 1], [0, 1], color="0.6", linestyle=(0, (4, 3)), linewidth=1, label="as it should be")
    errors = []
    for column, (name, style) in FORMS.items():
        found = of_result(result, column)
        errors.append(f"{found.error:.3f}")
        panel.plot(found.confidence, found.accuracy, label=name, markersize=4, linewidth=1.4, **style)
        area = 6 + 120 * np.sqrt(found.photos / found.photos.sum())
        panel.scatter(found.confidence, found.accuracy, s=area, color=style["color"], alpha=0.25, linewidths=0)
    panel.set(
        xlim=(0, 1), ylim=(0, 1), xlabel="probability", ylabel="share right", aspect="equal",
        title=f"{result.settings['name']}\nerror {' → '.join(errors)}",
    )  # fmt: skip
    panel.title.set_fontsize(10)
    panel.grid(alpha=0.3)
