"""What freezing saves: the time of a training step with all, the last stage or the head free, and with kept features.

    python -m kerasqueeze.bench.freezing --out .

SqueezeNet 1.1, 120 classes, on drawn photos; the four take turns within one process. A step on kept features is one of
`fit` on what the frozen front gives, the feed and validation left out. Writes CSV/bench_freezing.csv below --out, and
prints it. Leave the machine alone meanwhile.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from kerasqueeze.bench import speed
from kerasqueeze.data.datasets import DataSet
from kerasqueeze.data.splits import Split
from kerasqueeze.models import stages
from kerasqueeze.models.cut import cut
from kerasqueeze.training import model
from kerasqueeze.training.experiment import Experiment

CLASSES = 120
CHOICES = ("all", "last_stage", "head", "last_stage, kept features", "head, kept features", "head, kept maps")
"""What is free; kept maps are those in front of a dropout, which has to see every place."""
COLUMNS = ("free", "size", "batch", "milliseconds", "min", "max", "speed_up", "rounds")
"""Milliseconds a step, the median over the rounds; `speed_up` is the median over the rounds of all's time over it."""


def csv_path(out: Path) -> Path:
    """Return where the times lie below `out`."""
    return Path(out) / "CSV" / "bench_freezing.csv"


def prepare(choice: str, size: int, batch: int) -> Callable[[int], float]:
    """Build what trains and return what takes so many steps, in seconds."""
    free, _, kept = choice.partition(", ")
    experiment = Experiment(
        name="freezing",
        about="",
        dataset="drawn",
        image_size=size,
        batch_size=batch,
        crop_area=1.0,
        flip=False,
        dropout=0.5 if kept == "kept maps" or not kept else 0.0,
    )
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (4 * batch, size, size, 3), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, len(photos)).astype(np.int32)
    split = Split(photos, np.arange(len(photos)), labels, tuple(map(str, range(len(photos)))))
    data = DataSet("drawn", tuple(f"class {number}" for number in range(CLASSES)), split, split, split, "")
    whole, network = model.training_model(experiment, data, 0)
    stages.free(network, free)
    trained: keras.Model = whole
    if kept:
        parts = cut(network)
        assert parts is not None
        photos = np.asarray(parts.front.predict(photos, batch_size=64, verbose=0))
        trained = parts.back
    model.compile_for(trained, experiment, data)
    batches = [(photos[at : at + batch], labels[at : at + batch]) for at in range(0, len(photos), batch)]

    def steps(count: int) -> float:
        trained.make_train_function()
        began = time.perf_counter()
        for number in range(count):
            trained.train_on_batch(*batches[number % len(batches)])
        return time.perf_counter() - began

    steps(3)
    return steps


def measure(size: int, batch: int, rounds: int, burst: float, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the rows, `COLUMNS`: each choice in turns, in bursts of about so many seconds."""
    taken = {choice: prepare(choice, size, batch) for choice in CHOICES}
    counts = {choice: max(3, round(burst / (steps(5) / 5))) for choice, steps in taken.items()}
    found: dict[str, list[float]] = {choice: [] for choice in CHOICES}
    for number in range(rounds):
        for choice in speed.turn(list(CHOICES), number):
            found[choice].append(1000 * taken[choice](counts[choice]) / counts[choice])
    rows = []
    for choice, values in found.items():
        ratio = float(np.median(np.array(found["all"]) / np.array(values)))
        row = {"free": choice, "size": size, "batch": batch, "milliseconds": float(np.median(values))}
        rows.append({**row, "min": min(values), "max": max(values), "speed_up": ratio, "rounds": rounds})
        say(f"{size} px, {choice}: {rows[-1]['milliseconds']:.2f} ms a step, {ratio:.1f} x")
    return rows


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(), help="folder that CSV/ lies in (default: here)")
    parser.add_argument("--rounds", type=int, default=5, help="bursts of each choice (default: 5)")
    parser.add_argument("--burst", type=float, default=3.0, help="seconds of a burst (default: 3)")
    parser.add_argument("--sizes", default="128,224", help="sides of the photos in pixels (default: 128,224)")
    parser.add_argument("--batch", type=int, default=32, help="photos a step (default: 32)")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for size in map(int, arguments.sizes.split(",")):
        rows += measure(size, arguments.batch, arguments.rounds, arguments.burst, _say)
        speed.write(pd.DataFrame(rows, columns=list(COLUMNS)), csv_path(arguments.out))
    print(csv_path(arguments.out))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
