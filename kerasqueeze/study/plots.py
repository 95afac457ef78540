"""Pictures of histories: one experiment, or two side by side."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file
from kerasqueeze.study.results import Result

PANELS = (
    ("loss_val", "validation loss (nats)"),
    ("accuracy_val", "validation accuracy"),
    ("precision_val", "validation precision (macro)"),
    ("recall_val", "validation recall (macro)"),
    ("learning_rate", "learning rate"),
)
# Blue and orange of Okabe & Ito, told apart by the colour-blind; line and marker tell them apart in grey.
ARMS: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": (0, (4, 2)), "marker": "s"},
)


def combined_path(out: Path, a: str, b: str) -> Path:
    """Return where the picture of `a` against `b` lies below `out`."""
    return Path(out) / "PNG" / f"{a}_VS_{b}_combined.png"


def single_path(out: Path, name: str) -> Path:
    """Return where the picture of one experiment lies below `out`."""
    return Path(out) / "PNG" / f"{name}.png"


def draw(results: list[Result], path: Path) -> None:
    """Draw the validation metrics and the learning rate of one or two experiments, side by side, as a PNG.

    A thick line is the mean over the seeds that reached the epoch, a thin one a seed; a ring marks the epoch whose
    weights were kept.

    Raises:
        UserError: If more than two experiments are given.
    """
    if not 1 <= len(results) <= len(ARMS):
        raise UserError(f"{len(results)} experiments cannot be drawn in one picture; expected one or two")
    figure, axes = plt.subplots(1, len(PANELS), figsize=(4 * len(PANELS), 4.2), layout="constrained")
    for (column, title), panel in zip(PANELS, axes, strict=True):
        for result, style in zip(results, ARMS, strict=False):
            _draw_arm(panel, result, column, style)
        panel.set(title=title, xlabel="epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
        if column == "learning_rate":
            panel.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        elif column != "loss_val":
            panel.set_ylim(bottom=0)
    _chance_lines(axes, results)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle(_title(results))
    _save(figure, path)


def _draw_arm(panel: Any, result: Result, column: str, style: dict[str, Any]) -> None:
    color, linestyle = style["color"], style["linestyle"]
    seeds = list(result.runs)
    if len(seeds) > 1:
        for _, rows in result.rows.groupby("seed"):
            panel.plot(rows["epoch"], rows[column], color=color, linestyle=linestyle, linewidth=0.8, alpha=0.5)
    mean = result.rows.groupby("epoch")[column].mean()
    count = f"{len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0]}"
    label = f"{result.name} ({count})"
    panel.plot(mean.index, mean.to_numpy(), **style, markersize=4, markevery=max(1, len(mean) // 15), label=label)
    if column == "learning_rate":
        return
    for seed, run in result.runs.items():
        kept = result.rows[(result.rows["seed"] == seed) & (result.rows["epoch"] == run["best_epoch"])]
        panel.plot(kept["epoch"], kept[column], marker="o", markersize=11, fillstyle="none", color=color, linestyle="")


def _chance_lines(axes: Any, results: list[Result]) -> None:
    """Mark what guessing gives, so that a run that never started shows as one."""
    classes = {result.record["data"]["classes"] for result in results}
    if len(classes) == 1:
        (count,) = classes
        axes[1].axhline(1 / count, color="0.4", linewidth=0.9, linestyle=":", label="_chance")
        axes[1].annotate(
            f"chance 1/{count}", (1, 1 / count), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8
        )


def _title(results: list[Result]) -> str:
    data, settings = results[0].record["data"], results[0].settings
    sizes = sorted({result.settings["image_size"] for result in results})
    pixels = " and ".join(f"{size} px" for size in sizes)
    names = " against ".join(result.name for result in results)
    return f"{names}: {data['name']}, {settings['model']}, {pixels}, {data['validation']} validation photos"


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as part:
        figure.savefig(part, dpi=100, metadata={"Software": None})
    plt.close(figure)
