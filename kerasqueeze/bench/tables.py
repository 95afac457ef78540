"""The benchmark's tables for the README, and its picture."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.patches import Patch

from kerasqueeze.bench import speed
from kerasqueeze.files import whole_file

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
    parts = (_grid(table, _speed), said, "First call in seconds / peak memory in MB:", _grid(table, _cost))
    return "\n\n".join([*parts, *notes])


def cost_markdown(costs: pd.DataFrame) -> str:
    """Return the costs, `cost.COLUMNS`, as Markdown."""
    lines = ["| Measure | Value | px | Batch | Photos | What |", "|---|---:|---:|---:|---:|---|"]
    for row in costs.to_dict("records"):
        value = f"{row['value']:.4g} {'' if row['unit'] == '1' else row['unit']}".strip()
        counts = ("" if pd.isna(row[name]) else f"{row[name]:.0f}" for name in ("size", "batch", "photos"))
        cells = (row["measure"], value, *counts, row["about"])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


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


def _grid(table: pd.DataFrame, cell: Any) -> str:
    """Return a row for each task, size and batch, a column for each contestant."""
    names = list(dict.fromkeys(table["contestant"]))
    lines = [f"| Task | px | Batch | {' | '.join(names)} |", f"|---|---:|---:|{'---:|' * len(names)}"]
    for task in speed.TASKS:
        part = table[table["task"] == task]
        for size, batch in dict.fromkeys(zip(part["size"], part["batch"], strict=True)):
            rows = part[(part["size"] == size) & (part["batch"] == batch)]
            cells = {row["contestant"]: cell(row) for row in rows.to_dict("records")}
            lines.append(f"| {task} | {size} | {batch} | {' | '.join(cells.get(name, '–') for name in names)} |")
    return "\n".join(lines)


def _speed(row: dict[Any, Any]) -> str:
    shown = f"{row['median']:.1f} ({row['min']:.1f}–{row['max']:.1f})"
    is_peer = row["contestant"] != speed.OURS and not pd.isna(row["ratio"])
    return f"{shown} ×{row['ratio']:.2f}" if is_peer else shown


def _cost(row: dict[Any, Any]) -> str:
    return f"{row['compile_seconds']:.1f} / {row['peak_mb']:.0f}"
