"""What `fit`, data, photos, pixels and start-up cost: asked of processes of their own, kept in `CSV/bench_cost.csv`."""

import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasqueeze.bench import speed, startup_time, whole_study
from kerasqueeze.bench.worker_process import Failed, Missing, Worker

SIZE, BATCH = 224, 32
COLUMNS = ("measure", "value", "unit", "size", "batch", "photos", "about")
WORKER = (sys.executable, "-m", "kerasqueeze.bench.fit_cost")
IMPORT = """
import json, time
began = time.perf_counter()
import kerasqueeze
print(json.dumps({"seconds": time.perf_counter() - began}))
"""


def csv_path(out: Path) -> Path:
    """Return where the costs lie below `out`."""
    return Path(out) / "CSV" / "bench_cost.csv"


def run(
    out: Path,
    *,
    quick: bool,
    failed: dict[str, str],
    start: Sequence[str] | None = None,
    worker: Sequence[str] = WORKER,
    size: int = SIZE,
    batch: int = BATCH,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> pd.DataFrame:
    """Measure, and write the table anew with each finding.

    Args:
        out: Folder that `CSV/` lies in.
        quick: Fewer photos and rounds.
        failed: Takes a line for each part that breaks down; the others go on.
        start: Starts a process that runs experiments, without its options, to time its start and, unless `quick`, the
            whole study by; None leaves both out.
        worker: The command that measures, without its arguments.
        size: Side of the images, in pixels.
        batch: Images a step.
        say: Takes lines of progress.

    Returns:
        Columns `COLUMNS`.
    """
    rows: list[dict[str, Any]] = []

    def keep(finding: dict[str, Any]) -> None:
        rows.append(finding)
        say(f"  {finding['measure']}: {finding['value']:.4g} {finding['unit']}")
        speed.write(pd.DataFrame(rows, columns=list(COLUMNS)), csv_path(out))

    arguments = [str(size), str(batch)]
    repeats = 1 if quick else 3
    parts: dict[str, Callable[[], None]] = {
        "import": lambda: _import(repeats, keep),
        "cost of fit": lambda: _findings([*worker, "quick" if quick else "costs", *arguments], keep),
    }
    if start is not None:
        parts["start-up"] = lambda: startup_time.run(start, keep, size, batch, repeats)
    if start is not None and not quick:
        parts["whole study"] = lambda: whole_study.run(start, keep)
    for name, measure in parts.items():
        say(name)
        try:
            measure()
        except (Failed, Missing) as error:
            failed[name] = str(error)
            say(f"  {name} FAILED: {error}")
    for finding in linear(rows, size, batch):
        keep(finding)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def linear(rows: Sequence[dict[str, Any]], size: int, batch: int) -> list[dict[str, Any]]:
    """Return R² of a straight line through seconds an epoch against photos, and against pixels (side squared)."""
    found = []
    for measure, amount, name in (
        ("epoch_by_photos", lambda row: row["photos"], "photos"),
        ("epoch_by_pixels", lambda row: row["size"] ** 2, "pixels"),
    ):
        points = [(amount(row), row["value"]) for row in rows if row["measure"] == measure]
        if len(points) > 2:
            about = f"R² of a line through {measure}, {len(points)} points"
            share = {"measure": f"r2_{name}", "value": r_squared(points), "unit": "1"}
            found.append({**share, "size": size, "batch": batch, "photos": None, "about": about})
    return found


def r_squared(points: Sequence[tuple[float, float]]) -> float:
    """Return the share of the variance of y that the least-squares line through (x, y) explains."""
    x, y = np.asarray(points, dtype=float).T
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def _findings(command: Sequence[str], keep: Callable[[dict[str, Any]], None]) -> None:
    with Worker(command) as worker:
        while "finding" in (message := worker.read()):
            keep(message["finding"])


def _import(repeats: int, keep: Callable[[dict[str, Any]], None]) -> None:
    seconds = []
    for _ in range(repeats):
        with Worker([sys.executable, "-c", IMPORT]) as worker:
            seconds.append(worker.read()["seconds"])
    where = {"size": None, "batch": None, "photos": None, "about": "import kerasqueeze in a new process"}
    keep({"measure": "import", "value": statistics.median(seconds), "unit": "s", **where})
