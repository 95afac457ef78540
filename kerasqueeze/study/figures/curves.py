"""Pictures of histories, one experiment or two side by side, and of the test accuracy of many."""

import math
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from kerasqueeze.errors import UserError
from kerasqueeze.study.figures import drawing
from kerasqueeze.study.figures.drawing import plt
from kerasqueeze.study.labels import is_seen, label
from kerasqueeze.study.results import Result
from kerasqueeze.study.summary import intervals

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


def intervals_path(out: Path) -> Path:
    """Return where the picture of all test accuracies lies below `out`."""
    return Path(out) / "PNG" / "test_accuracy.png"


def draw(results: list[Result], path: Path) -> None:
    """Draw the validation metrics and the learning rate of one or two experiments, side by side, as a PNG.

    A thick line is the mean over the seeds that reached the epoch, a thin one a seed; a ring marks the epoch whose
    weights were kept. What was not trained is a level line where its validation scores are recorded. Scores are drawn
    from 0 up, with what guessing gives, unless that would press all of them into the upper half.

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
        elif column != "loss_val" and panel.get_ylim()[0] < panel.get_ylim()[1] / 2:
            panel.set_ylim(bottom=0)
    _chance_lines(axes, results)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle(_title(results))
    drawing.save(figure, path)


def draw_one(result: Result, out: Path) -> None:
    """Draw the history of one experiment, if it was trained."""
    if result.trained:
        draw([result], single_path(out, result.name))


def draw_intervals(results: list[Result], path: Path) -> None:
    """Draw the test accuracy of each experiment with its 95 % interval as a PNG; small points are seeds."""
    figure, panel = plt.subplots(figsize=(9, 1.6 + 0.42 * len(results)), layout="constrained")
    for place, result in enumerate(results):
        style = ARMS[0] if result.pretrained else ARMS[1]
        found = intervals(result)["accuracy"]
        if found.low == found.low:
            panel.plot([found.low, found.high], [place, place], color=style["color"], linewidth=2.5, alpha=0.6)
        values = list(result.test("accuracy").values())
        if len(values) > 1:
            panel.plot(values, [place] * len(values), "|", color="0.2", markersize=9, markeredgewidth=1)
        panel.plot(found.estimate, place, style["marker"], color=style["color"], markersize=7)
        at = found.high if found.high == found.high else found.estimate
        panel.annotate(f"{found.estimate:.3f}", (at, place), xytext=(8, 0), textcoords="offset points", va="center")
        if not result.trained:
            panel.axvline(found.estimate, color="0.4", linewidth=0.9, linestyle=":")
    panel.set_yticks(range(len(results)), [label(result) for result in results])
    panel.set(xlabel="test accuracy, 95 % interval (bars: seeds)", ylim=(len(results) - 0.5, -0.5))
    panel.set_xlim(left=0, right=min(1.08, panel.get_xlim()[1] * 1.08))
    panel.grid(axis="x", alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    if any(is_seen(result) for result in results):
        panel.set_title(
            "† ImageNet weights: had seen these photos before, the test half included", fontsize=9, loc="left"
        )
    drawing.save(figure, path)


def _draw_arm(panel: Any, result: Result, column: str, style: dict[str, Any]) -> None:
    if not result.trained:
        _draw_level(panel, result, column, style)
        return
    color, linestyle = style["color"], style["linestyle"]
    seeds = list(result.runs)
    if len(seeds) > 1:
        for _, rows in result.rows.groupby("seed"):
            panel.plot(rows["epoch"], rows[column], color=color, linestyle=linestyle, linewidth=0.8, alpha=0.5)
    mean = result.rows.groupby("epoch")[column].mean()
    count = f"{len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0]}"
    every = max(1, len(mean) // 15)
    panel.plot(mean.index, mean.to_numpy(), **style, markersize=4, markevery=every, label=f"{result.name} ({count})")
    if column == "learning_rate":
        return
    for seed, run in result.runs.items():
        kept = result.rows[(result.rows["seed"] == seed) & (result.rows["epoch"] == run["best_epoch"])]
        panel.plot(kept["epoch"], kept[column], marker="o", markersize=11, fillstyle="none", color=color, linestyle="")


def _draw_level(panel: Any, result: Result, column: str, style: dict[str, Any]) -> None:
    """Draw what was only scored; a run without the score leaves its name in the legend alone."""
    scores = next(iter(result.runs.values())).get("validation") or {}
    value = scores.get(column.removesuffix("_val"), math.nan)
    color, linestyle = style["color"], style["linestyle"]
    panel.axhline(value, color=color, linestyle=linestyle, label=f"{result.name} (not trained)")


def _chance_lines(axes: Any, results: list[Result]) -> None:
    """Mark what guessing gives, so that a run that never started shows as one."""
    classes = {result.record["data"]["classes"] for result in results}
    if len(classes) == 1 and axes[1].get_ylim()[0] == 0:
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
