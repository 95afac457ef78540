"""Which of XLA's choices of library for matrix products on the CPU is fastest, for SqueezeNet and for ResNet-50.

    python -m kerasqueeze.bench.xla_flags --rounds 5 --out .

Images per second of a training step and of inference. Each choice of `startup.xla.FLAG` has a process of its own; they
work turn and turn about. Writes CSV/bench_xla_flags.csv below --out after each network, and prints it.

- `individual_dot`: products that stand alone go to YNNPACK; what `import kerasqueeze` sets where jaxlib needs it;
- `none`: nothing goes there;
- `default`: what XLA does by itself, sums over products included, some of which come out wrong.
"""

import argparse
import contextlib
import importlib.metadata
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from kerasqueeze.bench import protocol, speed
from kerasqueeze.bench.worker_process import Worker
from kerasqueeze.startup import xla

CHOICES = {"individual_dot": "individual_dot", "none": "", "default": None}
"""Values of `startup.xla.FLAG`; None is no flag at all."""
NETWORKS = {"squeezenet1_1, fast": 32, "squeezenet1_1, stock": 32, "resnet50, stock": 8}
"""Models with the lowering they are trained in, and images a step."""
COLUMNS = ("network", "task", "choice", "size", "batch", "median", "min", "max", "ratio", "rounds", "versions")
"""Images/s; `ratio` is the median over the rounds of `individual_dot`'s speed over that of the choice."""


def csv_path(out: Path) -> Path:
    """Return where the speeds lie below `out`."""
    return Path(out) / "CSV" / "bench_xla_flags.csv"


def measure(
    network: str, size: int, batch: int, rounds: int, burst: float, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return the rows, `COLUMNS`, of one of `NETWORKS`: each choice in turns.

    Raises:
        Failed: A process broke down.
    """
    rows = []
    with contextlib.ExitStack() as stack:
        workers, versions = {}, ""
        for choice in CHOICES:
            work = ["-m", "kerasqueeze.bench.xla_flags", "--work", network, choice, str(size), str(batch)]
            workers[choice] = stack.enter_context(Worker([sys.executable, *work]))
            ready = workers[choice].read()["ready"]
            versions = " ".join(f"{package} {version}" for package, version in ready["versions"].items())
        for task in speed.TASKS:
            found: dict[str, list[float]] = {choice: [] for choice in CHOICES}
            for number in range(rounds):
                for choice in speed.turn(list(CHOICES), number):
                    found[choice].append(workers[choice].ask(f"{task} {burst}")["images_per_second"])
            for choice, values in found.items():
                row = {"network": network, "task": task, "choice": choice, "size": size, "batch": batch}
                ratio = speed.ratio(found["individual_dot"], values)
                rows.append({**row, **speed.summary(values), "ratio": ratio, "rounds": rounds, "versions": versions})
                say(f"{network}, {task}, {choice}: {rows[-1]['median']:.1f} images/s, ratio {ratio:.3f}")
    return rows


def prepare(
    network: str, choice: str, size: int, batch: int
) -> tuple[dict[str, Any], dict[str, Callable[[], protocol.Step]]]:
    """Make the choice, before JAX starts, and build a network; return what it is, and its tasks."""
    value = CHOICES[choice]
    kept = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(f"{xla.FLAG}=")]
    os.environ["XLA_FLAGS"] = " ".join(kept if value is None else [*kept, f"{xla.FLAG}={value}"])
    from kerasqueeze.bench import worker
    from kerasqueeze.models import backbones
    from kerasqueeze.models.fast import compiled, set_lowering

    # The fast steps are compiled with a choice of their own.
    compiled.OPTIONS = {} if value is None else {xla.FLAG.removeprefix("--"): value}
    name, _, lowering = network.partition(", ")
    set_lowering("auto" if lowering == "fast" else "stock")
    model = worker.ours(size) if lowering == "fast" else backbones.build(name, classes=worker.CLASSES, image_size=size)
    versions = {package: importlib.metadata.version(package) for package in ("keras", "jax", "jaxlib")}
    return {"versions": versions}, worker.steps(model, size, batch)


def main() -> None:
    """Measure, write, print; or, with --work, be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(), help="folder that CSV/ lies in (default: here)")
    parser.add_argument("--rounds", type=int, default=5, help="bursts of each choice (default: 5)")
    parser.add_argument("--burst", type=float, default=speed.BURST, help="seconds of a burst (default: %(default)s)")
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels (default: 224)")
    parser.add_argument("--networks", default=";".join(NETWORKS), help="which, between semicolons (default: all)")
    parser.add_argument("--work", nargs=4, metavar=("NETWORK", "CHOICE", "SIZE", "BATCH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        (network, choice), (size, batch) = arguments.work[:2], map(int, arguments.work[2:])
        protocol.serve(lambda: prepare(network, choice, size, batch), batch)
        return
    rows: list[dict[str, Any]] = []
    with speed.terminated_as_interrupted():
        for network in arguments.networks.split(";"):
            rows += measure(network, arguments.size, NETWORKS[network], arguments.rounds, arguments.burst, _say)
            speed.write(pd.DataFrame(rows, columns=list(COLUMNS)), csv_path(arguments.out))
    print(csv_path(arguments.out))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
