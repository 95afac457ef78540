"""The worker's side of a benchmark: prepare, say ready, then work in short bursts on command.

Standard library only: interpreters that do not have this package load this file by its path. The worker reads commands
`TASK SECONDS` line by line and answers each with a line of JSON; the end of its input is its end, so it does not
outlive the process that asks.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Step = Callable[[], object]


def channel() -> Callable[[dict[str, Any]], None]:
    """Return a function that writes a line of JSON to the parent; what else is printed goes to standard error."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        lines.write(json.dumps(message) + "\n")
        lines.flush()

    return say


def serve(prepare: Callable[[], tuple[dict[str, Any], dict[str, Callable[[], Step]]]], batch: int) -> None:
    """Prepare, then run bursts until the input ends.

    Args:
        prepare: Returns what to tell about the contestant and, for each task, a function that builds its step; a step
            computes one batch and returns when the result is there.
        batch: Images a step.

    Says one of `{"missing": MODULE}`, `{"error": LINE}`, `{"ready": {...}}`; after the last, one line a burst.
    """
    say = channel()
    steps: dict[str, Step] = {}
    try:
        about, builders = prepare()
        first: dict[str, dict[str, float]] = {}
        for task, build in builders.items():
            steps[task] = build()
            began = time.perf_counter()
            steps[task]()
            first[task] = {"compile_seconds": time.perf_counter() - began}
            steps[task]()  # JAX may compile once more for the state that the first step returned
            first[task]["peak_mb"] = peak_mb()
        say({"ready": {**about, "tasks": first, "huge_pages_mb": huge_pages_mb()}})
        for line in sys.stdin:
            task, seconds = line.split()
            rate = burst(steps[task], batch, float(seconds))
            say({"images_per_second": rate, "peak_mb": peak_mb()})
    except ModuleNotFoundError as error:
        say({"missing": error.name})
    except Exception as error:
        lines = str(error).strip().splitlines()
        say({"error": f"{type(error).__name__}: {lines[0] if lines else ''}"})


def one_line(error: Exception) -> str:
    """Return what an error says, on one line of bounded length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def burst(step: Step, batch: int, seconds: float) -> float:
    """Run steps for about `seconds`, at least one; return images a second.

    A first step warms caches and memory up after the other contestants and is not counted, unless it takes longer than
    the whole burst is to take.
    """
    began = time.perf_counter()
    step()
    count = 1
    if time.perf_counter() - began < seconds:
        began, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - began < seconds:
        step()
        count += 1
    return batch * count / (time.perf_counter() - began)


def peak_mb() -> float:
    """Return the most memory, in MB, that this process has had resident so far.

    From the kernel's `VmHWM` where there is one: `ru_maxrss` also counts the parent's memory at the time of the fork.
    """
    try:
        return _kilobytes(Path("/proc/self/status"), "VmHWM:") / 1e3
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1e6 if sys.platform == "darwin" else 1e3)


def huge_pages_mb() -> float | None:
    """Return how much of this process' memory lies in huge pages, in MB; None where the kernel does not tell."""
    try:
        return _kilobytes(Path("/proc/self/smaps_rollup"), "AnonHugePages:") / 1e3
    except (OSError, StopIteration):
        return None


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _kilobytes(path: Path, field: str) -> float:
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return next(1.024 * float(line.split()[1]) for line in lines if line.startswith(field))
