"""Every backbone in one line: parameters, bytes of its weights in float32, images per second.

    python -m kerasqueeze.bench.backbones --out .

Inference on drawn photos, the median of a few bursts. Writes CSV/bench_backbones.csv below --out after each network and
prints a table. Leave the machine alone meanwhile.
"""

import argparse
import gc
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from kerasqueeze.bench import speed
from kerasqueeze.models import backbones

COLUMNS = ("model", "width", "classes", "parameters", "megabytes", "size", "batch", "images_per_second", "min", "max")
NARROW = (("mobilenet", 0.25), ("mobilenet_v2", 0.35))
"""Networks with another width that are listed as well."""


def csv_path(out: Path) -> Path:
    """Return where the table lies below `out`."""
    return Path(out) / "CSV" / "bench_backbones.csv"


def measure(name: str, width: float, classes: int, size: int, batch: int, rounds: int, burst: float) -> dict[str, Any]:
    """Return the row, `COLUMNS`, of one network."""
    model = backbones.build(name, classes=classes, image_size=size, width=width)
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    model.predict_on_batch(pixels)
    rates = []
    for _ in range(rounds):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < burst or not count:
            model.predict_on_batch(pixels)
            count += batch
        rates.append(count / (time.perf_counter() - began))
    parameters = int(model.count_params())
    row = {"model": name, "width": width, "classes": classes, "parameters": parameters}
    row |= {"megabytes": round(4 * parameters / 1e6, 3), "size": size, "batch": batch}
    return {**row, "images_per_second": float(np.median(rates)), "min": min(rates), "max": max(rates)}


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the table."""
    lines = ["| Model | Parameters | MB | Images/s |", "|---|---:|---:|---:|"]
    for row in rows:
        width = "" if row["width"] == 1 else f", width {row['width']:g}"
        cells = f"{row['parameters']:,} | {row['megabytes']:.2f} | {row['images_per_second']:.0f}"
        lines.append(f"| {row['model']}{width} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(), help="folder that CSV/ lies in (default: here)")
    parser.add_argument("--rounds", type=int, default=3, help="bursts (default: 3)")
    parser.add_argument("--burst", type=float, default=3.0, help="seconds of a burst (default: 3)")
    parser.add_argument("--size", type=int, default=224, help="side of the photos in pixels (default: 224)")
    parser.add_argument("--batch", type=int, default=32, help="photos at a time (default: 32)")
    parser.add_argument("--classes", type=int, default=120, help="classes of the head (default: 120)")
    arguments = parser.parse_args()
    rows = []
    for name, width in (*((name, 1.0) for name in backbones.NAMES), *NARROW):
        rows.append(
            measure(name, width, arguments.classes, arguments.size, arguments.batch, arguments.rounds, arguments.burst)
        )
        print(f"{name}: {rows[-1]['images_per_second']:.1f} images/s", file=sys.stderr, flush=True)
        speed.write(pd.DataFrame(rows, columns=list(COLUMNS)), csv_path(arguments.out))
        keras.utils.clear_session()
        gc.collect()
    print(markdown(rows))


if __name__ == "__main__":
    main()
