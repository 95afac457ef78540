"""The picture of a learning-rate sweep."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.ticker import MaxNLocator

from kerasqueeze.errors import UserError
from kerasqueeze.study import sweep
from kerasqueeze.study.figures import drawing
from kerasqueeze.study.figures.drawing import plt

# Six of Okabe & Ito's colours, which the colour-blind tell apart; markers and lines do it in grey.
ARMS: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": (0, (4, 2)), "marker": "s"},
    {"color": "#009E73", "linestyle": (0, (1, 1)), "marker": "^"},
    {"color": "#CC79A7", "linestyle": (0, (4, 1, 1, 1)), "marker": "D"},
    {"color": "#56B4E9", "linestyle": (0, (6, 1)), "marker": "v"},
    {"color": "#000000", "linestyle": (0, (2, 2)), "marker": "P"},
)


def path(out: Path) -> Path:
    """Return where the picture lies below `out`."""
    return Path(out) / "PNG" / "sweep.png"


def draw(table: pd.DataFrame, out: Path) -> Path:
    """Draw each arm's validation accuracy and loss against the rate, and its expected best of k rates.

    Args:
        table: As `sweep.collect` returns it.
        out: Folder that `PNG/` lies in.

    Returns:
        Where the picture lies.

    Raises:
        UserError: If there is no finished rate, or there are more than six arms.
    """
    trials = sweep.trials(table)
    names = sorted(trials["experiment"].unique())
    if not 1 <= len(names) <= len(ARMS):
        raise UserError(f"{len(names)} experiments with finished rates cannot be drawn; expected 1 to {len(ARMS)}")
    figure, (accuracy, loss, curve) = plt.subplots(1, 3, figsize=(14, 4.4), layout="constrained")
    for name, style in zip(names, ARMS, strict=False):
        arm, runs = trials[trials["experiment"] == name], table[table["experiment"] == name]
        for panel, column in ((accuracy, "accuracy_val"), (loss, "loss_val")):
            panel.plot(arm["learning_rate"], arm[column], label=name, markersize=5, **style)
            if table["seed"].nunique() > 1:
                panel.scatter(runs["learning_rate"], runs[column], s=10, alpha=0.5, color=style["color"])
        expected = sweep.expected_best(arm["accuracy_val"].tolist())
        curve.plot(range(1, len(expected) + 1), expected, markersize=5, **style)
    first = table.iloc[0]
    accuracy.axhline(1 / first["classes"], color="0.4", linewidth=0.9, linestyle=":")
    accuracy.set(title="best validation accuracy", xscale="log", xlabel="peak learning rate", ylim=(0, None))
    loss.set(title="best validation loss (nats)", xscale="log", xlabel="peak learning rate")
    curve.set(title="expected best validation accuracy", xlabel="rates of this grid tried, drawn at random")
    curve.xaxis.set_major_locator(MaxNLocator(integer=True))
    for panel in (accuracy, loss, curve):
        panel.grid(alpha=0.3)
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)), frameon=False)
    seeds = table["seed"].nunique()
    figure.suptitle(
        f"{first['dataset']}, {first['image_size']} px, at most {first['epochs']} epochs ({first['steps']} steps), "
        f"{first['validation_photos']} validation photos, {seeds} seed{'s' * (seeds > 1)} a rate"
    )
    drawing.save(figure, path(out))
    return path(out)
