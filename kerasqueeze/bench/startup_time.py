"""How long `run.py` takes from the shell prompt to the end of its first training step, on photos that are drawn."""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasqueeze.bench import whole_study
from kerasqueeze.bench.worker_process import Failed

EXPERIMENT = "fine_tuning_adam"
STEPS = 20
SAID = "first step after"
"""What `training.callbacks.Progress` says when the first step has ended."""


def run(start: Sequence[str], keep: Callable[[dict[str, Any]], None], size: int, batch: int, repeats: int) -> None:
    """Time the first run, with nothing on disk, and later ones, which find photos and programs there.

    Args:
        start: Starts a process that runs experiments, without its options.
        keep: Takes each finding, a row of `cost.COLUMNS`.
        size: Side of the photos, in pixels.
        batch: Photos a step.
        repeats: Later runs, of which the median counts.

    Raises:
        Failed: A process broke down.
    """
    about = f"run.py --exp {EXPERIMENT}, from process start to the end of its first step"
    # As in a real epoch many steps follow, so that validation does not begin to compile beside the first.
    photos = {"train": -(-STEPS * batch // whole_study.CLASSES), "val": 1, "test": 1}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole_study.draw(folder / "photos", photos)

        def seconds(out: str) -> float:
            options = ("--epochs", "1", "--image-size", str(size), "--batch-size", str(batch))
            return first_step(whole_study.command(start, (EXPERIMENT,), folder, out, *options), folder)

        def say(measure: str, value: float, more: str) -> None:
            where = {"size": size, "batch": batch, "photos": whole_study.CLASSES * photos["train"]}
            keep({"measure": measure, "value": value, "unit": "s", **where, "about": f"{about}; {more}"})

        say("first_run", seconds("first"), "nothing decoded or compiled before")
        later = [seconds(f"later{number}") for number in range(repeats)]
        say("second_run", statistics.median(later), f"the same again, median of {repeats}")


def first_step(command: Sequence[str], folder: Path) -> float:
    """Start a command, end it when it says that the first step is over; return how long that took, in seconds.

    Raises:
        Failed: It ended before that.
    """
    environment = whole_study.environment(folder)
    for name in ("GLIBC_TUNABLES", "KERASQUEEZE_HUGE_PAGES"):  # a shell has neither: run.py starts itself once more
        environment.pop(name, None)
    began, last = time.perf_counter(), "no message"
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # an interrupt at the terminal is ours to handle
    ) as process:
        try:
            for line in process.stderr or ():
                if SAID in line:
                    return time.perf_counter() - began
                last = line.strip() or last
        finally:
            process.kill()
    raise Failed(f"{whole_study.named(command)} took no step: {last}")
