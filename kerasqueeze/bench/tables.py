"""The benchmark's tables, and its picture."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.patches import Patch

from kerasqueeze.bench import speed
from kerasqueeze.files import whole_file
from kerasqueeze.study.report.chapters.speed import grid, speed_cell

COLOURS = {  # Okabe & Ito's, which the colour-blind tell apart
    "kerasqueeze": "#0072B2",
    "keras": "#D55E00",
    "torch": "#009E73",
    "torch-bf16": "#CC79A7",
    "onnxruntime": "#56B4E9",
}


def path(out: Path) -> Path:
    """Return where the picture lies below `out`."""
    return Path(out) / "PNG" / "bench.png"


def markdown(outcome: speed.Outcome) -> str:
    """Return the speeds, first calls and memory as Markdown, with how they were measured and who is missing."""
    table = outcome.table()
    notes = [f"{name} left out: {reason}." for name, reason in outcome.skipped.items()]
    notes += [f"{name} failed: {reason}" for name, reason in outcome.failed.items()]
    if table.empty:
        return "\n".join(["Nothing was measured.", *notes])
    first = table.iloc[0]
    versions = "; ".join(table.drop_duplicates("versions")["versions"])
    said = (
        f"Images/s: median (min–max) of {table['rounds'].max()} rounds taken in turns; × is kerasqueeze's speed "
        f"over that contestant's, median over the rounds. float32, but torch-bf16 (autocast). {first['hardware']}; "
        f"huge pages {first['huge_pages']} for all contestants. {versions}."
    )
    parts = (grid(table, speed_cell), said, "First call in seconds / peak memory in MB:", grid(table, _cost))
    return "\n\n".join([*parts, *notes])


def draw(table: pd.DataFrame, out: Path) -> Path:
    """Draw the median speeds as bars, from the least to the greatest as error bars.

    Args:
        table: Columns `speed.COLUMNS`, at least one row.
        out: Folder that `PNG/` lies in.

    Returns:
        Where the picture lies.
    """
    names = list(dict.fromkeys(table["contestant"]))
    groups = list(dict.fromkeys(zip(table["size"], table["batch"], strict=True)))
    figure, panels = plt.subplots(len(speed.TASKS), 1, figsize=(10, 7), layout="constrained", squeeze=False)
    for panel, task in zip(panels[:, 0], speed.TASKS, strict=True):
        for number, name in enumerate(names):
            rows = table[(table["task"] == task) & (table["contestant"] == name)]
            places = [groups.index(group) for group in zip(rows["size"], rows["batch"], strict=True)]
            width = 0.85 / len(names)
            panel.bar(
                [place + (number - (len(names) - 1) / 2) * width for place in places],
                rows["median"],
                width,
                yerr=[rows["median"] - rows["min"], rows["max"] - rows["median"]],
                label=name,
                color=COLOURS.get(name, "0.5"),
                error_kw={"linewidth": 0.9, "capsize": 2},
            )
        panel.set(title=task, ylabel="images/s")
        panel.set_xticks(range(len(groups)), [f"{size} px\nbatch {batch}" for size, batch in groups])
        panel.grid(axis="y", alpha=0.3)
    patches = [Patch(color=COLOURS.get(name, "0.5"), label=name) for name in names]  # not all are in each panel
    figure.legend(handles=patches, loc="outside lower center", ncols=len(names), frameon=False)
    figure.suptitle(f"SqueezeNet 1.1, 120 classes; {table.iloc[0]['hardware']}; bars: median, lines: least to greatest")
    with whole_file(path(out)) as part:
        figure.savefig(part, dpi=100, metadata={"Software": None})
    plt.close(figure)
    return path(out)


def _cost(row: dict[Any, Any]) -> str:
    return f"{row['compile_seconds']:.1f} / {row['peak_mb']:.0f}"
