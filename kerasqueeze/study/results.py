"""The results of a study, read from its files: one `Result` per experiment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasqueeze import history
from kerasqueeze.class_names import readable
from kerasqueeze.errors import UserError

METRICS = ("accuracy", "top5", "precision", "recall")


@dataclass(frozen=True)
class Result:
    """One experiment's finished seeds.

    Attributes:
        name: Name of the experiment.
        record: Contents of its JSON file.
        rows: Its history, of the finished seeds alone.
        predictions: What its finished seeds made of the test photos; None where that was not recorded.
        unfinished: Seeds that the history has and the record does not.
    """

    name: str
    record: dict[str, Any]
    rows: pd.DataFrame
    predictions: pd.DataFrame | None = None
    unfinished: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """The experiment's settings."""
        return self.record["experiment"]

    @property
    def data(self) -> dict[str, Any]:
        """What is recorded of the photos."""
        return self.record["data"]

    @property
    def runs(self) -> dict[int, dict[str, Any]]:
        """The finished runs by seed."""
        return {int(seed): run for seed, run in sorted(self.record["runs"].items(), key=lambda item: int(item[0]))}

    @property
    def pretrained(self) -> bool:
        """Whether its networks began with weights from elsewhere."""
        return self.settings["weights"] != "none"

    @property
    def trained(self) -> bool:
        """Whether anything was trained; a control may only be scored."""
        return any(run["epochs"] for run in self.runs.values())

    @property
    def class_names(self) -> list[str]:
        """Names of the classes to read (`class_names.readable`), or "class 7" where none are recorded."""
        return readable(self.data.get("class_names") or [f"class {label}" for label in range(self.data["classes"])])

    def test(self, metric: str) -> dict[int, float]:
        """Return a metric on the test photos by seed.

        Raises:
            UserError: If a seed was not scored on the test photos.
        """
        for seed, run in self.runs.items():
            if metric not in run.get("test", {}):
                raise UserError(
                    f"{self.name} seed {seed} has no {metric} on the test photos; "
                    f"run it again: python scripts/run.py --exp {self.name} --fresh"
                )
        return {seed: float(run["test"][metric]) for seed, run in self.runs.items()}

    def of_seed(self, seed: int) -> pd.DataFrame | None:
        """Return a seed's predictions, a row a test photo; None where there are none."""
        if self.predictions is None:
            return None
        found = self.predictions[self.predictions["seed"] == seed]
        return found.reset_index(drop=True) if len(found) else None

    def right(self, seed: int) -> np.ndarray | None:
        """Return whether a seed's network has each test photo right, (N,); None without predictions."""
        found = self.of_seed(seed)
        return None if found is None else (found["label"] == found["predicted"]).to_numpy()

    def only(self, seeds: set[int]) -> "Result":
        """Return the same with these seeds alone. What was not trained has no seeds to choose from: it stays whole."""
        if not self.trained:
            return self
        runs = {seed: run for seed, run in self.record["runs"].items() if int(seed) in seeds}
        rows = self.rows[self.rows["seed"].isin(seeds)].reset_index(drop=True)
        unfinished = tuple(seed for seed in self.unfinished if seed in seeds)
        return Result(self.name, {**self.record, "runs": runs}, rows, self.predictions, unfinished)


def read(out: Path, name: str) -> Result:
    """Read an experiment's files below `out`.

    Raises:
        UserError: If they are missing, damaged, without a finished seed, or do not belong together.
    """
    csv, json = history.csv_path(out, name), history.json_path(out, name)
    rows, record = history.read_csv(csv), history.read_json(json)
    finished = {int(seed) for seed in record["runs"]}
    if not finished:
        raise UserError(f"{json} has no finished seed; finish it: python scripts/run.py --exp {name}")
    unfinished = tuple(sorted({int(seed) for seed in rows["seed"]} - finished))
    rows = rows[rows["seed"].isin(finished)]
    for seed, run in record["runs"].items():
        if (rows["seed"] == int(seed)).sum() != run["epochs"]:
            raise UserError(f"{csv} and {json.name} do not agree on seed {seed}; run it again with --fresh")
    history.check_rows(out, name, record["runs"])
    predictions = history.predictions_path(out, name)
    found = history.read_predictions(predictions) if predictions.exists() else None
    result = Result(name, record, rows.reset_index(drop=True), found, unfinished)
    _check_predictions(result, predictions)
    return result


def _check_predictions(result: Result, path: Path) -> None:
    photos, classes = result.data["test"], result.data["classes"]
    for seed in result.runs:
        frame = result.of_seed(seed)
        if frame is None:
            continue
        if (
            not np.array_equal(frame["photo"], np.arange(photos))
            or frame[["label", "predicted"]].max(axis=None) >= classes
        ):
            raise UserError(
                f"{path}: the predictions of seed {seed} are not of {photos} photos and {classes} classes; run the "
                "experiment anew, with --fresh"
            )


def read_all(out: Path) -> list[Result]:
    """Read every experiment below `out` that was scored on its test photos, in the order of their names.

    Left out are those without a finished seed, those that never look at the test photos (sweeps), and, with a warning,
    files that are no records.
    """
    records = history.read_others(sorted((Path(out) / "CSV").glob("*.json")))
    scored = [path.stem for path, record in records.items() if any("test" in run for run in record["runs"].values())]
    return [read(out, name) for name in scored]
