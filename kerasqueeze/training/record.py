"""The record of an experiment, `CSV/<name>.json`: what it is, on which photos, and its finished runs."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

from kerasqueeze import history
from kerasqueeze.data import datasets
from kerasqueeze.errors import UserError
from kerasqueeze.locks import locked
from kerasqueeze.models.card import Card
from kerasqueeze.training import numerics, provenance
from kerasqueeze.training.experiment import Experiment, completed
from kerasqueeze.training.run import Run


def empty(experiment: Experiment, data: datasets.DataSet, weights: dict[str, str | None]) -> dict[str, Any]:
    """Return the record of an experiment that has no finished run yet."""
    return {
        "experiment": {**experiment.settings(), "weights": weights["file"]},
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "classes": len(data.class_names),
            "class_names": list(data.class_names),
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        },
        "weights": weights,
        "code": provenance.of_code(),
        "runs": {},
    }


ORIGIN = ("outcome", "best_epoch", "code", "git_revision", "versions", "validation", "test", "finished")
"""What of a run's record a model card repeats."""


def card(run: Run, found: dict[str, Any], result: dict[str, Any]) -> Card:
    """Return what the saved network says about itself.

    Args:
        run: The run.
        found: Its experiment's record.
        result: The run's own entry in it.
    """
    settings, data = run.experiment, run.data
    origin = {
        "experiment": found["experiment"],
        "seed": run.seed,
        "data": {key: value for key, value in found["data"].items() if key != "class_names"},
        "weights": found["weights"],
        **{key: result[key] for key in ORIGIN if key in result},
    }
    return Card(
        class_names=tuple(data.class_names),
        image_size=settings.image_size,
        resize=settings.resize,
        network_size=settings.enlarge,
        temperature=result["temperature"],
        origin=origin,
    )


def models(out: Path) -> Path:
    """Return the folder of networks and saved states below `out`."""
    return Path(out) / "models"


def drop(out: Path, name: str) -> None:
    """Remove the results of an experiment, and what stopped runs left.

    Raises:
        UserError: Another process is at work on one of its seeds.
    """
    with contextlib.ExitStack() as claims:
        for lock in models(out).glob(f".{name}_seed[0-9]*.keras.lock"):
            network = lock.with_name(lock.name.removeprefix(".").removesuffix(".lock"))
            if not claims.enter_context(locked(network, wait=False)):
                raise UserError(
                    f"another process is at work on {network.stem} in {Path(out).absolute()}, so nothing is dropped; "
                    "wait until it has ended, or use --out OTHER_DIR"
                )
        for path in (history.json_path, history.csv_path, history.predictions_path, history.layers_path):
            path(out, name).unlink(missing_ok=True)
        for folder in models(out).glob(f"{name}_seed*_states"):
            shutil.rmtree(folder)


def update(path: Path, found: dict[str, Any], finished: dict[str, Any] | None = None) -> None:
    """Write the record at `path`: `found` with the runs that are there already and those that are `finished` now.

    Raises:
        UserError: It is a record of other settings, photos or weights, or its runs were computed with other numerics.
    """
    with locked(path):  # another process may be at work on another seed
        runs = earlier_runs(path, found)
        _check_numerics(path, runs)
        runs = {**runs, **(finished or {})}
        history.write_json(path, {**found, "runs": dict(sorted(runs.items(), key=lambda item: int(item[0])))})


def earlier_runs(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return the finished runs of the record at `path`; refuse one of other settings, photos or weights."""
    csv = path.with_suffix(".csv")
    if not path.exists():
        if csv.exists():
            raise UserError(
                f"{csv} has no record {path.name} beside it; use --out OTHER_DIR, or replace it with --fresh"
            )
        return {}
    earlier = history.read_json(path)
    for part in ("experiment", "data", "weights"):
        old, new = earlier.get(part) or {}, record[part] or {}
        old = completed(old) if part == "experiment" else old
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                raise UserError(
                    f"{path} holds results with {key}={old.get(key)!r}, this run has {key}={new.get(key)!r}; "
                    "keep both with --out OTHER_DIR, or replace the old ones with --fresh"
                )
    return earlier["runs"]


def _check_numerics(path: Path, runs: dict[str, Any]) -> None:
    now = numerics.settings()
    for seed, run in runs.items():
        recorded = run.get("numerics")
        name = numerics.difference(recorded, now)
        if name:
            raise UserError(
                f"{path} holds seed {seed} computed with {name}={recorded[name]!r}, this process has "
                f"{name}={now[name]!r}; set it as it was, keep both with --out OTHER_DIR, or replace the old ones with "
                "--fresh"
            )
