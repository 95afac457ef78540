"""Records as runs leave them, made up: the least that the schema asks for."""

from typing import Any

DATA = {"name": "digits", "fingerprint": "f", "classes": 10, "train": 100, "validation": 50, "test": 40}


def run(**more: Any) -> dict[str, Any]:
    """Return a finished run, with what is given in place."""
    return {"outcome": "overfitting", "epochs": 3, "best_epoch": 2, "seconds": 1.5} | more


def record(experiment: Any, runs: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    """Return a record of an `Experiment` with these runs, on digits with what is given in place."""
    weights = {"file": experiment.weights, "sha256": None}
    return {"experiment": experiment.settings(), "data": DATA | data, "weights": weights, "runs": runs or {}}
