"""The picture of what an optimizer did to each block of layers."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.ticker import MaxNLocator

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study.figures import drawing
from kerasqueeze.study.figures.drawing import plt
from kerasqueeze.study.results import Result

PANELS = (
    ("gradient_norm", "gradient norm before clipping"),
    ("update_ratio", "norm of update / norm of weights"),
    ("weight_norm", "norm of weights"),
    ("maximum_binds", "share of weights with V > v"),
    ("rate_ratio", "mean rate with V / rate with v"),
)
LOGARITHMIC = ("gradient_norm", "update_ratio")


def path(out: Path, name: str) -> Path:
    """Return where the picture of the experiment's blocks lies below `out`."""
    return Path(out) / "PNG" / f"{name}_layers.png"


def draw(out: Path, name: str) -> Path:
    """Draw `CSV/<name>_layers.csv` below `out`: a line a block, light to dark from front to back.

    The black line is all weights. A line is the mean over the seeds that reached the epoch. The two panels about
    AMSGrad's maximum V are left out where the optimizer has none.

    Returns:
        Where the picture lies.

    Raises:
        UserError: If there is no such log, or no row in it.
    """
    source = history.layers_path(out, name)
    rows = history.read_layers(source)
    if rows.empty:
        raise UserError(f"{source} has no rows; run the experiment again: python scripts/run.py --exp {name}")
    panels = [panel for panel in PANELS if rows[panel[0]].notna().any()]
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 4.4), layout="constrained", squeeze=False)
    for (column, title), panel in zip(panels, axes[0], strict=True):
        _draw_panel(panel, rows, column)
        panel.set(title=title, xlabel="epoch")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 12), frameon=False, fontsize=8)
    seeds = ", ".join(str(seed) for seed in sorted(rows["seed"].unique()))
    figure.suptitle(f"{name}: blocks of layers, {'seeds' if ',' in seeds else 'seed'} {seeds}")
    drawing.save(figure, path(out, name))
    return path(out, name)


def draw_one(result: Result, out: Path) -> None:
    """Draw the blocks of an experiment where they were logged."""
    if history.layers_path(out, result.name).exists():  # not where nothing was trained
        draw(out, result.name)


def _draw_panel(panel: Any, rows: pd.DataFrame, column: str) -> None:
    blocks = list(dict.fromkeys(rows["block"]))
    for index, block in enumerate(blocks):
        mean = rows[rows["block"] == block].groupby("epoch")[column].mean()
        style: dict[str, Any] = {"color": mpl.colormaps["viridis_r"](0.1 + 0.8 * index / len(blocks)), "linewidth": 1.2}
        if block == "all":
            style = {"color": "black", "linewidth": 2.2, "linestyle": (0, (4, 2))}
        # Markers tell blocks apart in grey, and a run of one epoch shows at all.
        panel.plot(mean.index, mean.to_numpy(), marker="osv^D<>p*hXd"[index % 12], markersize=3.5, label=block, **style)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.3)
    values = rows[column].dropna()
    if column in LOGARITHMIC and len(values) and (values > 0).any():
        panel.set_yscale("log")
