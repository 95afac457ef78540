"""Images per second of a training step on an accelerator, ours beside PyTorch's, turn and turn about.

    python -m kerasqueeze.bench.accelerator --seconds 100 --out bench
    python -m kerasqueeze.bench.accelerator --seconds 60 --out bench --profile      # where a step's time goes

SqueezeNet 1.1, 120 classes, dropout 0.5, random uint8 photos drawn from a seed, all of them on the device. Every
contestant gathers the rows of its batch there, normalises them, and takes a step of Adam on the cross-entropy; its
process is its own. Work:

- `plain`: no more than that, without augmentation; ours through `fit`, torch's in a loop;
- `bare`: the jitted step of `plain` alone, on one batch that is there already, without `fit`;
- `study`: what `run.py` does through `fit`: random crops and flips, clipped gradients, what the optimizer observes,
  a confusion matrix; feed `device`, or `host`, where each batch is gathered by the host and copied.

Variants of ours, by the end of the name: `-slices` has the gradient of max pools as sums of slices; `-nhwc` tells XLA
to lay convolutions out as (N, H, W, C). float32 products are TF32 for all, bfloat16 is Keras' mixed policy and torch's
autocast. `torch-compile-graphs` is its mode "reduce-overhead". All of a batch size are compiled first, `--together` at
a time; then come the rounds, one contestant at a time.
A line is printed and written for each number as soon as there is one; who fails is named and left out.
"""

import argparse
import csv
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasqueeze.bench.worker_process import Failed, Missing, Worker

COLUMNS = (
    *("contestant", "precision", "feed", "batch", "round", "images_per_second"),
    *("first_seconds", "device", "jax", "keras", "torch"),
)
SIZE = 224
OURS = ("ours-plain", "ours-study", "ours-bare", "ours-plain-slices", "ours-plain-nhwc")
TORCH = ("torch", "torch-compile", "torch-compile-graphs")
PRECISIONS = ("float32", "bfloat16")
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "2"}
NHWC = "--xla_gpu_force_conv_nhwc=true"


@dataclass(frozen=True)
class Cell:
    """One thing to measure."""

    contestant: str
    precision: str
    feed: str
    batch: int

    @property
    def worker(self) -> str:
        """The process that measures it."""
        if self.contestant.startswith("torch"):
            return f"{self.contestant} {self.precision}"
        return f"ours{'-nhwc' if self.contestant.endswith('-nhwc') else ''} {self.precision}"

    def __str__(self) -> str:
        return f"{self.contestant:20} {self.precision:8} {self.feed:6} {self.batch:4}"


def cells(batches: list[int], contestants: list[str], precisions: list[str]) -> list[Cell]:
    """Return what to measure, the batch sizes in their order, the most wanted of each first.

    The variants, the host feed and the bare step are measured at the first batch size alone.
    """
    found = []
    for number, batch in enumerate(batches):
        for contestant in contestants:
            everywhere = contestant in ("ours-plain", "ours-study", *TORCH)
            if number == 0 or everywhere:
                found += [Cell(contestant, precision, "device", batch) for precision in precisions]
        if number == 0 and "ours-study" in contestants:
            found += [Cell("ours-study", precision, "host", batch) for precision in precisions]
    return found


class Bench:
    """The processes, the budget and the file."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.ends = options, time.monotonic() + options.seconds
        self.workers: dict[str, Worker] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self.first: dict[Cell, float] = {}
        options.out.mkdir(parents=True, exist_ok=True)
        self.photos = (options.out / "photos.npy").resolve()
        drawn = np.random.default_rng(0).integers(0, 256, (options.photos, options.size, options.size, 3), np.uint8)
        np.save(self.photos, drawn)
        self.file = (options.out / "accelerator.csv").open("w", newline="", encoding="utf-8")
        self.rows = csv.DictWriter(self.file, COLUMNS, restval="", lineterminator="\n")
        self.rows.writeheader()
        self.file.flush()

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.ends - time.monotonic()

    def say(self, line: str) -> None:
        """Print a line at once, with the time."""
        print(f"[{self.options.seconds - self.left:5.0f} s] {line}", flush=True)

    def start(self, cell: Cell) -> Worker:
        """Return the process of a cell, started if it is not."""
        if cell.worker not in self.workers:
            ours = cell.contestant.startswith("ours")
            file = Path(__file__).with_name("accelerator_torch.py")
            command = [sys.executable, *(["-m", "kerasqueeze.bench.accelerator_ours"] if ours else ["-P", str(file)])]
            flags = os.environ.get("XLA_FLAGS", "")
            environment = {**SHARED, "XLA_FLAGS": f"{flags} {NHWC}".strip() if "nhwc" in cell.worker else flags or None}
            command += [str(self.photos), cell.precision, cell.contestant]
            self.workers[cell.worker] = Worker(command, environment, patience=self.options.each)
        return self.workers[cell.worker]

    def ask(self, cell: Cell, task: str) -> dict[str, Any] | None:
        """Have a cell's process do something; None, and the process is ended, if that fails."""
        if self.left < 1 or "failed" in self.about.get(cell.worker, {}):
            return None
        try:
            worker = self.start(cell)
            if cell.worker not in self.about:
                self.about[cell.worker] = worker.read()
            answer = worker.ask(json.dumps({"task": task, "seconds": self.options.burst, **asdict(cell)}))
        except (Failed, Missing) as error:
            self.say(f"{cell}  left out: {error}"[:400])
            self.about.setdefault(cell.worker, {})["failed"] = True
            self.workers.pop(cell.worker).close()
            return None
        if "failed" in answer:  # this cell alone; its process lives
            self.say(f"{cell}  left out: {answer['failed']}"[:400])
            self.first.pop(cell, None)
            return None
        return answer

    def compile(self, some: list[Cell]) -> None:
        """Take the first steps of these cells; several processes at a time, the cells of each one by one."""

        def of_worker(name: str) -> None:
            for cell in some:
                if cell.worker == name:
                    began = time.monotonic()
                    answer = self.ask(cell, "open")
                    if answer is not None:
                        self.first[cell] = time.monotonic() - began
                        self.say(f"{cell}  first step after {self.first[cell]:.1f} s")

        with ThreadPoolExecutor(self.options.together) as pool:
            list(pool.map(of_worker, dict.fromkeys(cell.worker for cell in some)))

    def measure(self, cell: Cell, number: int) -> None:
        """Measure a cell once; print and write the row."""
        answer = self.ask(cell, "time") if cell in self.first else None
        if answer is None:
            return
        rate = round(answer["images_per_second"], 1)
        self.say(f"{cell}  round {number}: {rate:10.1f} images/s")
        row = {**asdict(cell), "round": number, "images_per_second": rate, **self.about[cell.worker]}
        self.rows.writerow({**row, "first_seconds": round(self.first[cell], 1)})
        self.file.flush()

    def profile(self, cell: Cell) -> None:
        """Print where the time of a cell goes."""
        answer = self.ask(cell, "profile") if cell in self.first else None
        if answer is not None:
            text = "\n".join([f"profile of {cell}", *answer["lines"]])
            print(text, flush=True)
            with (self.options.out / "profile.txt").open("a", encoding="utf-8") as file:
                file.write(text + "\n\n")

    def keep(self, names: set[str]) -> None:
        """End all processes but these, for their memory."""
        for name in [name for name in self.workers if name not in names]:
            self.workers.pop(name).close()

    def close(self) -> None:
        """End all processes and remove the photos."""
        self.keep(set())
        self.file.close()
        self.photos.unlink(missing_ok=True)


def main() -> None:
    """Parse, compile, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=100, help="for everything; then it ends (default: 100)")
    parser.add_argument("--each", type=float, default=45, help="most seconds for one first step (default: 45)")
    parser.add_argument("--burst", type=float, default=0.7, help="seconds of a measurement (default: 0.7)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    parser.add_argument("--together", type=int, default=3, help="processes that compile at a time (default: 3)")
    parser.add_argument("--batches", default="128,32,512", help="(default: 128,32,512)")
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--contestants", default=",".join((OURS[0], *TORCH[1:], TORCH[0], *OURS[1:])))
    parser.add_argument("--photos", type=int, default=4096, help="on the device (default: 4096)")
    parser.add_argument("--size", type=int, default=SIZE, help=f"their side (default: {SIZE})")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="where the CSV file goes")
    parser.add_argument("--profile", action="store_true", help="also print where the time of our steps goes")
    options = parser.parse_args()
    batches = [int(batch) for batch in options.batches.split(",")]
    chosen = cells(batches, options.contestants.split(","), options.precisions.split(","))
    bench = Bench(options)
    try:
        for place, batch in enumerate(batches):
            bench.keep({cell.worker for cell in chosen if cell.batch in batches[place:]})
            some = [cell for cell in chosen if cell.batch == batch]
            bench.compile(some)
            for number in range(options.rounds):
                turn = number % max(1, len(some))
                for cell in some[turn:] + some[:turn]:
                    bench.measure(cell, number)
            for cell in some if options.profile else []:
                if cell.contestant in ("ours-plain", "ours-study") and cell.feed == "device" and batch == batches[0]:
                    bench.profile(cell)
        bench.say("done" if bench.left > 1 else "the time is up")
    finally:
        bench.close()


if __name__ == "__main__":
    main()
