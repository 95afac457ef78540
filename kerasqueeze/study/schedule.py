"""A study as a list of runs, one experiment and seed each: which are left, and about how long they will take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasqueeze import history, locks
from kerasqueeze.training.experiment import Experiment, completed


@dataclass(frozen=True)
class PlannedRun:
    """One experiment and seed of a study, run or not."""

    experiment: Experiment
    seed: int

    def __str__(self) -> str:
        return f"{self.experiment.name} seed {self.seed}"


def runs(experiments: Sequence[Experiment], seeds: Sequence[int]) -> list[PlannedRun]:
    """Return every experiment with every seed, all experiments of a seed before the next: pairs are whole early.

    An experiment that trains nothing is the same for every seed and runs once.
    """
    return [
        PlannedRun(experiment, seed)
        for place, seed in enumerate(seeds)
        for experiment in experiments
        if experiment.epochs or not place
    ]


def left(all_runs: Sequence[PlannedRun], out: Path) -> list[PlannedRun]:
    """Return the runs that are not finished below `out`; of an experiment with other settings there, all."""
    return [run for run in all_runs if str(run.seed) not in _runs(run.experiment, out)]


def seconds(run: PlannedRun, finished: Sequence[tuple[Experiment, float]]) -> float | None:
    """Estimate how long a run takes.

    Args:
        run: The run.
        finished: Experiments with the seconds of a finished run each.

    Returns:
        The mean of the runs of the same experiment; or, scaled by epochs and pixels, that of the runs of the same
        network on the same photos; None where there is neither.
    """
    same = [time for experiment, time in finished if experiment.name == run.experiment.name]
    if same:
        return sum(same) / len(same)
    alike = [
        time * _work(run.experiment) / _work(experiment)
        for experiment, time in finished
        if (experiment.dataset, experiment.model, experiment.limit)
        == (run.experiment.dataset, run.experiment.model, run.experiment.limit)
        and experiment.epochs
        and run.experiment.epochs
    ]
    return sum(alike) / len(alike) if alike else None


def _work(experiment: Experiment) -> float:
    crop = experiment.crop_size or experiment.image_size
    return experiment.epochs * crop**2 + experiment.image_size**2  # scoring takes about as long as an epoch


def finished(experiments: Sequence[Experiment], out: Path) -> list[tuple[Experiment, float]]:
    """Return the experiments' finished runs below `out` with the seconds that each took."""
    return [
        (experiment, float(run["seconds"])) for experiment in experiments for run in _runs(experiment, out).values()
    ]


def outlook(all_runs: Sequence[PlannedRun], out: Path) -> str:
    """Say what is left below `out` and about how long it will take."""
    missing = left(all_runs, out)
    known = finished([run.experiment for run in {run.experiment.name: run for run in all_runs}.values()], out)
    times = [seconds(run, known) for run in missing]
    lines = [f"{len(all_runs) - len(missing)} of {len(all_runs)} runs finished, {len(missing)} left"]
    lines += [f"  {run}: {_clock(time)}" for run, time in zip(missing, times, strict=True)]
    unknown = sum(time is None for time in times)
    total = sum(time for time in times if time is not None)
    if missing and unknown < len(missing):
        rest = f", and {unknown} that nothing is known of" if unknown else ""
        lines.append(f"  together {_clock(total)}{rest}")
    return "\n".join(lines)


def carry_out(
    all_runs: Sequence[PlannedRun], out: Path, train: Callable[[Experiment, int], object], tell: Callable[[str], object]
) -> int:
    """PlannedRun what is left, and say before each run what is left then.

    A study that is started from several terminals is shared among them: each run is one process's, and all of them
    return when the whole study is finished. What a killed process leaves is run by another.

    Args:
        all_runs: The study.
        out: Where its results lie.
        train: Runs one experiment with one seed.
        tell: Takes the lines.

    Returns:
        How many runs this process has done.
    """
    done = 0

    def work(run: PlannedRun) -> None:
        nonlocal done
        if left([run], out):  # another process may have finished it by now
            tell(outlook(all_runs, out))
            train(run.experiment, run.seed)
            done += 1

    locks.share(left(all_runs, out), lambda run: history.network_path(out, run.experiment.name, run.seed), work, tell)
    tell(outlook(all_runs, out))
    return done


def _runs(experiment: Experiment, out: Path) -> dict[str, Any]:
    """Return the finished runs with these very settings."""
    path = history.json_path(out, experiment.name)
    if not path.exists():
        return {}
    record = history.read_json(path)
    settings = {**experiment.settings(), "weights": Path(experiment.weights).name}  # named as records name them
    return record["runs"] if completed(record["experiment"]) == settings else {}


def _clock(time: float | None) -> str:
    if time is None:
        return "no run of it yet to tell the time by"
    minutes = round(time / 60)
    return f"about {minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"about {max(1, minutes)} min"
