"""The chapter on speed, from what the benchmarks left in CSV/."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from kerasqueeze.study.report.chapters.sections import picture, read_table
from kerasqueeze.study.report.text import table

OURS = "kerasqueeze"
AIMS = {("training", "torch"): 1.25, ("training", "keras"): 3.0, ("inference", "torch"): 1.0}
"""What was aimed at: kerasqueeze's speed over another's."""
SPEED = ("contestant", "task", "size", "batch", "median", "min", "max", "ratio", "rounds", "hardware", "huge_pages")
COST = ("measure", "value", "unit", "size", "batch", "photos", "about")
ACCELERATOR = ("contestant", "precision", "feed", "batch", "images_per_second", "first_seconds", "device")
FORM = """\
On the CPU the same layers and variables are computed in a faster form with the same results: convolutions as matrix
products, pools ahead of bias and ReLU, the batch in pieces that stay in the cache. `--lowering stock` brings Keras' own
form back; on a GPU it is always that."""


def section(out: Path) -> str:
    """Return the chapter, or nothing where nothing was measured."""
    parts = [_cpu(out), _costs(out), _libraries(out), _accelerator(out)]
    return "\n\n".join(["## Speed", *(part for part in parts if part)]) if any(parts) else ""


def grid(found: pd.DataFrame, cell: Callable[[dict[Any, Any]], str]) -> str:
    """Return a row for each task, size and batch, a column for each contestant, in Markdown.

    Args:
        found: The benchmark's table, columns `SPEED` among others.
        cell: Makes a cell of a row.
    """
    names = list(dict.fromkeys(found["contestant"]))
    rows = []
    tasks = list(dict.fromkeys(found["task"]))
    ordered = found.sort_values("task", key=lambda column: column.map(tasks.index), kind="stable")
    for (task, size, batch), part in ordered.groupby(["task", "size", "batch"], sort=False):
        cells = {row["contestant"]: cell(row) for row in part.to_dict("records")}
        rows.append([task, size, batch, *(cells.get(name, "–") for name in names)])
    return table(["task", "px", "batch", *names], rows)


def speed_cell(row: dict[Any, Any]) -> str:
    """Return images per second: median, least, greatest, and how many times as fast kerasqueeze is."""
    shown = f"{row['median']:.1f} ({row['min']:.1f}–{row['max']:.1f})"
    is_peer = row["contestant"] != OURS and not pd.isna(row["ratio"])
    return f"{shown} ×{row['ratio']:.2f}" if is_peer else shown


def costs(found: pd.DataFrame) -> str:
    """Return the costs of steps, starts and epochs, columns `COST`, in Markdown."""
    rows = []
    for row in found.to_dict("records"):
        value = f"{row['value']:.4g} {'' if row['unit'] in ('1', 1) else row['unit']}".strip()
        counts = ("" if pd.isna(row[name]) else f"{row[name]:.0f}" for name in ("size", "batch", "photos"))
        rows.append([row["measure"], value, *counts, row["about"]])
    return table(["measure", "value", "px", "batch", "photos", "what"], rows)


def _cpu(out: Path) -> str:
    path = out / "CSV" / "bench.csv"
    if not path.is_file():
        return ""
    found = read_table(path, list(SPEED))
    first = found.iloc[0]
    said = (
        f"Images/s: median (least–greatest) of {found['rounds'].max()} rounds taken in turns; × is kerasqueeze's speed "
        f"over that one's, the median of the rounds' own ratios. SqueezeNet 1.1, 120 classes, float32 (torch-bf16: "
        f"bfloat16 autocast), PyTorch channels last. {first['hardware']}; large memory pages {first['huge_pages']} for "
        "all. `python scripts/bench.py --rounds 5 --peer-python PYTHON`, which has torch, torchvision, onnx and "
        "onnxruntime."
    )
    shown = Path("PNG/bench.png")
    drawn = picture("Images per second in training and inference", shown) if (out / shown).is_file() else ""
    return "\n\n".join(part for part in (FORM, drawn, grid(found, speed_cell), said, _against_aims(found)) if part)


def _against_aims(found: pd.DataFrame) -> str:
    lines = []
    for (task, name), aim in AIMS.items():
        ratios = found.loc[found["task"].eq(task) & found["contestant"].eq(name), "ratio"]
        if len(ratios):
            lines.append(
                f"- {task.capitalize()} against {name}: {ratios.min():.2f} to {ratios.max():.2f} times as fast; "
                f"the aim, {aim:g}, is reached in {(ratios >= aim).sum()} of {len(ratios)} sizes."
            )
    return "\n".join(lines)


def _costs(out: Path) -> str:
    path = out / "CSV" / "bench_cost.csv"
    if not path.is_file():
        return ""
    said = "`python scripts/bench.py --no-speed`, on two cores; `study_*` on drawn photos, compiled anew."
    return "\n\n".join(["### What a step, a start and an epoch cost", costs(read_table(path, list(COST))), said])


def _libraries(out: Path) -> str:
    path = out / "CSV" / "bench_xla_flags.csv"
    if not path.is_file():
        return ""
    found = read_table(path, ["network", "task", "choice", "size", "batch", "median", "min", "max", "ratio", "rounds"])
    rows = []
    for keys, part in found.groupby(["network", "task", "size", "batch"], sort=False):
        cells = {row["choice"]: row for row in part.to_dict("records")}
        shown = [f"{row['median']:.1f} ({row['min']:.1f}–{row['max']:.1f})" for row in cells.values()]
        rows.append([*keys, *shown])
    said = (
        f"Images/s: median (least–greatest) of {found['rounds'].max()} rounds taken in turns. XLA gives matrix "
        "products on the CPU to one of two libraries. By itself (`default`) it gives the newer one sums over products "
        "as well, some of which come out wrong (jax issue 39103); with `individual_dot`, which `import kerasqueeze` "
        "sets where the installed version needs it, products that stand alone; with `none` nothing. SqueezeNet's fast "
        "form is compiled with `none`. `python -m kerasqueeze.bench.xla_flags`."
    )
    headers = ["network", "task", "px", "batch", *dict.fromkeys(found["choice"])]
    return "\n\n".join(["### XLA's libraries for matrix products", table(headers, rows), said])


def _accelerator(out: Path) -> str:
    path = out / "CSV" / "bench_gpu.csv"
    if not path.is_file():
        return ""
    rows = []
    found = read_table(path, list(ACCELERATOR))
    for keys, part in found.groupby(["contestant", "precision", "feed", "batch"], sort=False):
        speeds = part["images_per_second"]
        shown = f"{speeds.median():,.0f} ({speeds.min():,.0f}–{speeds.max():,.0f})"
        rows.append([*keys, shown, len(part), f"{part['first_seconds'].median():.0f}"])
    headers = ["contestant", "precision", "feed", "batch", "images/s", "rounds", "first call, s"]
    said = (
        f"{found.iloc[0]['device']}, 224 px: median (least–greatest) of rounds taken in turns. `ours-plain` is `fit`; "
        "`ours-study` adds augmentation, metrics and clipping; `ours-bare` is the jitted step alone; `slices-pool` a "
        "variant that is not switched on. float32 is TF32 in all. `python -m kerasqueeze.bench.accelerator`."
    )
    return "\n\n".join(["### On a GPU", table(headers, rows), said])
