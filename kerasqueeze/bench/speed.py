"""Speed, side by side: contestants in processes of their own, of which one works at a time, turn and turn about.

Each combination of size and batch starts all contestants one after the other (each compiles, then waits). A round is a
short burst of each; the next round begins with the next contestant. What the machine does besides hits all alike, and
ratios are taken within a round. This module knows no training code: contestants are commands.
"""

import contextlib
import signal
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd

from kerasqueeze.bench.worker_process import Failed, Missing, Worker
from kerasqueeze.errors import Interrupted, UserError, unknown
from kerasqueeze.files import whole_file

OURS = "kerasqueeze"
TASKS = ("training", "inference")
PEERS = {"keras": ("keras",), "torch": ("torch", "torch-bf16"), "onnxruntime": ("onnxruntime",)}
"""What `--against` knows, and the contestants that stand for it."""
BURST = 1.5
COLUMNS = (
    "contestant",
    "task",
    "size",
    "batch",
    "median",
    "min",
    "max",
    "ratio",
    "compile_seconds",
    "peak_mb",
    "rounds",
    "hardware",
    "versions",
    "huge_pages",
    "huge_pages_mb",
)
"""Images/s; `ratio` is the median over the rounds of ours divided by the contestant's; `huge_pages_mb` as measured."""


@dataclass
class Outcome:
    """What came of a benchmark: finished rows, and a line for each contestant that is missing or failed."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """Return the rows, in columns `COLUMNS`."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


def csv_path(out: Path) -> Path:
    """Return where the speeds lie below `out`."""
    return Path(out) / "CSV" / "bench.csv"


def commands(against: Sequence[str], peer_python: str) -> dict[str, list[str]]:
    """Return how to start each contestant, ours first; size and batch are to be appended.

    Args:
        against: Names in `PEERS`.
        peer_python: Interpreter that has torch and onnxruntime.

    Raises:
        UserError: A name is unknown.
    """
    here = [sys.executable, "-m", "kerasqueeze.bench.worker"]
    # -P: the folder of the file holds a statistics.py, which is not Python's own.
    there = [peer_python, "-P", str(Path(__file__).with_name("peers.py"))]
    found = {OURS: [*here, OURS]}
    for peer in against:
        if peer not in PEERS:
            raise unknown("contestant", peer, PEERS)
        found |= {name: [*(here if name == "keras" else there), name] for name in PEERS[peer]}
    return found


def numbers(text: str, least: int, most: int, option: str) -> list[int]:
    """Read `224,128`: whole numbers from `least` to `most`, each once; raise `UserError` otherwise."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(least <= number <= most for number in found) or len(set(found)) != len(found):
        raise UserError(
            f"{option} {text!r} is no list of whole numbers from {least} to {most}, such as 64,32, each once"
        )
    return found


def run(
    starts: Mapping[str, Sequence[str]],
    sizes: Sequence[int],
    batches: Sequence[int],
    rounds: int,
    *,
    huge_pages: bool,
    burst: float = BURST,
    finished: Callable[[Outcome], None] = lambda outcome: None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Outcome:
    """Measure all combinations.

    Args:
        starts: The contestants' commands, as `commands` gives them; ours goes by the name `OURS`.
        sizes: Sides of the square images, in pixels.
        batches: Images a step.
        rounds: Bursts of each contestant, task and combination.
        huge_pages: Whether the workers' environment asks for huge pages; told in the rows.
        burst: Seconds a burst takes, or one step if that takes longer.
        finished: Called after each combination with all there is.
        say: Takes lines of progress.

    Returns:
        All rows, and who is missing or failed. A contestant that is not installed is tried once.
    """
    outcome = Outcome()
    for size in sizes:
        for batch in batches:
            say(f"{size} px, batch {batch}: {rounds} rounds")
            outcome.rows += _combination(starts, size, batch, rounds, burst, huge_pages, outcome, say)
            finished(outcome)
    return outcome


def _combination(
    starts: Mapping[str, Sequence[str]],
    size: int,
    batch: int,
    rounds: int,
    burst: float,
    huge_pages: bool,
    outcome: Outcome,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    with contextlib.ExitStack() as stack:
        workers: dict[str, Worker] = {}
        ready: dict[str, dict[str, Any]] = {}

        def fail(name: str, error: Failed) -> None:
            outcome.failed[f"{name} at {size} px, batch {batch}"] = str(error)
            say(f"  {name} FAILED: {error}")
            ready.pop(name, None)

        for name, command in starts.items():
            if name in outcome.skipped:
                continue
            try:
                workers[name] = stack.enter_context(Worker([*command, str(size), str(batch)]))
                ready[name] = workers[name].read()["ready"]
                compiled = (f"{task} {told['compile_seconds']:.1f} s" for task, told in ready[name]["tasks"].items())
                say(f"  {name} is ready; first call: {', '.join(compiled)}")
            except Missing as missing:
                outcome.skipped[name] = f"{missing} is not installed for {command[0]}"
                say(f"  {name} skipped: {outcome.skipped[name]}")
            except Failed as error:
                fail(name, error)
        rows = []
        for task in TASKS:
            names = [name for name in ready if task in ready[name]["tasks"]]
            speeds = _rounds({name: workers[name] for name in names}, task, rounds, burst, ready, fail)
            rows += _rows(task, size, batch, speeds, ready, huge_pages)
            for row in rows[len(rows) - len(speeds) :]:
                say(f"  {row['contestant']} {task}: {row['median']:.1f} images/s ({row['min']:.1f}–{row['max']:.1f})")
    return rows


def _rounds(
    workers: dict[str, Worker],
    task: str,
    rounds: int,
    burst: float,
    ready: dict[str, dict[str, Any]],
    fail: Callable[[str, Failed], None],
) -> dict[str, list[float]]:
    """Return each contestant's images/s, round by round; without those that break down."""
    speeds: dict[str, list[float]] = {name: [] for name in workers}
    for number in range(rounds):
        for name in turn(list(workers), number):
            if name not in speeds:
                continue
            try:
                answer = workers[name].ask(f"{task} {burst}")
                speeds[name].append(answer["images_per_second"])
                told = ready[name]["tasks"][task]
                # Inference is prepared first and its peak noted then; a later one is training's.
                told["peak_mb"] = told["peak_mb"] if task == "inference" else answer["peak_mb"]
            except (Failed, Missing) as error:
                del speeds[name]
                fail(name, Failed(str(error)))
    return speeds


def turn(names: Sequence[str], number: int) -> list[str]:
    """Return the order of round `number`: each round begins with the next name."""
    first = number % len(names) if names else 0
    return [*names[first:], *names[:first]]


def _rows(
    task: str,
    size: int,
    batch: int,
    speeds: Mapping[str, Sequence[float]],
    ready: Mapping[str, dict[str, Any]],
    huge_pages: bool,
) -> list[dict[str, Any]]:
    hardware = ready.get(OURS, {}).get("hardware", {})
    rows = []
    for name, values in speeds.items():
        told = ready[name]
        rows.append(
            {
                "contestant": name,
                "task": task,
                "size": size,
                "batch": batch,
                **summary(values),
                "ratio": ratio(speeds.get(OURS), values),
                **{key: round(told["tasks"][task][key], 2) for key in ("compile_seconds", "peak_mb")},
                "rounds": len(values),
                "hardware": f"{hardware.get('processor', 'unknown')}, {hardware.get('cores', '?')} cores",
                "versions": " ".join(f"{package} {version}" for package, version in told["versions"].items()),
                "huge_pages": "on" if huge_pages else "off",
                "huge_pages_mb": told["huge_pages_mb"],
            }
        )
    return rows


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the least and the greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(ours: Sequence[float] | None, theirs: Sequence[float]) -> float | None:
    """Return the median over the rounds of ours divided by theirs; None without ours."""
    if ours is None:
        return None
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all."""
    with whole_file(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """While the block runs, SIGTERM is an exception, so that workers are ended on the way out."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number, "stopped; finished combinations are kept")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
