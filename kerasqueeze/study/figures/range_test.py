"""The picture of a learning-rate range test."""

from collections.abc import Sequence
from pathlib import Path

from kerasqueeze.study.figures import drawing
from kerasqueeze.study.figures.drawing import plt


def path(out: Path, name: str) -> Path:
    """Return where the picture of an experiment's range test lies below `out`."""
    return Path(out) / "PNG" / f"{name}_lr_find.png"


def draw(
    rows: Sequence[tuple[int, float, float, float]], suggested: float | None, lowest: float, title: str, target: Path
) -> None:
    """Draw the loss of each step, and its running mean, against the rate.

    Args:
        rows: Step, rate, loss and smoothed loss of each step.
        suggested: The rate to mark, if there is one.
        lowest: The rate of the lowest smoothed loss, marked as well.
        title: What was tested.
        target: The PNG.
    """
    figure, panel = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
    rates = [row[1] for row in rows]
    panel.plot(rates, [row[2] for row in rows], color="0.7", linewidth=0.9, label="loss of each step")
    panel.plot(rates, [row[3] for row in rows], color="#0072B2", linewidth=2, label="running mean")
    if suggested is not None:
        panel.axvline(suggested, color="#009E73", linestyle="--", label=f"falls fastest: {suggested:.2g}")
    panel.axvline(lowest, color="#D55E00", linestyle=":", label=f"lowest: {lowest:.2g}")
    smoothed = [row[3] for row in rows]
    margin = 0.1 * (max(smoothed) - min(smoothed)) + 0.05
    panel.set(xscale="log", xlabel="learning rate", ylabel="training loss (nats)", title=title)
    panel.set_ylim(max(0.0, min(smoothed) - margin), max(smoothed) + margin)
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)
    drawing.save(figure, target)
