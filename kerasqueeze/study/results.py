"""The results of a study, read from its files: one entry per experiment, the table, and what it means."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file
from kerasqueeze.study.statistics import over_seeds, verdict, wilson

MODEL_NAMES = {"squeezenet1_0": "SqueezeNet 1.0", "squeezenet1_1": "SqueezeNet 1.1"}
OPTIMIZER_NAMES = {"adam": "Adam", "adam_matched": "Adam at AMSGrad's mean rate", "amsgrad": "AMSGrad"}
METRICS = ("accuracy", "precision", "recall")


@dataclass(frozen=True)
class Result:
    """One experiment's finished seeds.

    Attributes:
        name: Name of the experiment.
        record: Contents of its JSON file.
        rows: Its history, of the finished seeds alone.
    """

    name: str
    record: dict[str, Any]
    rows: pd.DataFrame

    @property
    def settings(self) -> dict[str, Any]:
        """The experiment's settings."""
        return self.record["experiment"]

    @property
    def runs(self) -> dict[int, dict[str, Any]]:
        """The finished runs by seed."""
        return {int(seed): run for seed, run in sorted(self.record["runs"].items(), key=lambda item: int(item[0]))}

    def test(self, metric: str) -> dict[int, float]:
        """Return a metric on the test photos by seed."""
        return {seed: float(run["test"][metric]) for seed, run in self.runs.items()}


def read(out: Path, name: str) -> Result:
    """Read an experiment's files below `out`.

    Raises:
        UserError: If they are missing, damaged, without a finished seed, or do not belong together.
    """
    csv, json = history.csv_path(out, name), history.json_path(out, name)
    rows, record = history.read_csv(csv), history.read_json(json)
    if not record["runs"]:
        raise UserError(f"{json} has no finished seed; finish it: python scripts/run.py --exp {name}")
    rows = rows[rows["seed"].isin([int(seed) for seed in record["runs"]])]
    for seed, run in record["runs"].items():
        if (rows["seed"] == int(seed)).sum() != run["epochs"]:
            raise UserError(f"{csv} and {json.name} do not agree on seed {seed}; run it again with --fresh")
    return Result(name, record, rows.reset_index(drop=True))


def read_all(out: Path) -> list[Result]:
    """Read every experiment below `out` that has a finished seed, in the order of their names."""
    names = sorted(path.stem for path in (Path(out) / "CSV").glob("*.json"))
    return [read(out, name) for name in names if history.read_json(history.json_path(out, name))["runs"]]


def summarise(results: list[Result]) -> pd.DataFrame:
    """Return one row an experiment: settings, test metrics averaged over seeds, and their 95 % limits.

    `accuracy_low` and `accuracy_high` are Student's t limits over seeds, or Wilson's over the test photos where there
    is one seed; `interval` says which.
    """
    return pd.DataFrame([_summary_row(result) for result in results])


def write_summary(out: Path) -> pd.DataFrame:
    """Write `CSV/summary.csv` of all experiments below `out` and return it."""
    table = summarise(read_all(out))
    with whole_file(Path(out) / "CSV" / "summary.csv") as part:
        table.to_csv(part, index=False, lineterminator="\n", float_format="%.5f")
    return table


def markdown(table: pd.DataFrame) -> str:
    """Return the results table, a row an experiment, in Markdown."""
    lines = [
        "| Model | Initialisation | Optimizer | Accuracy | Precision | Recall | Seeds | Photos |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        limits = f" [{row['accuracy_low']:.3f}, {row['accuracy_high']:.3f}]"
        lines.append(
            f"| {MODEL_NAMES.get(row['model'], row['model'])} | {row['initialisation']} "
            f"| {OPTIMIZER_NAMES[row['optimizer']]} | {row['accuracy']:.3f}{limits} | {row['precision']:.3f} "
            f"| {row['recall']:.3f} | {row['seeds']} | {row['dataset']}, {row['image_size']} px, {row['test_photos']} |"
        )
    return "\n".join(lines)


def compare(a: Result, b: Result) -> str:
    """Say what the test photos tell of `a` against `b`, and what speaks against reading more into it.

    Raises:
        UserError: If the two were not scored on the same photos.
    """
    if a.record["data"] != b.record["data"]:
        different = [key for key, value in a.record["data"].items() if b.record["data"].get(key) != value]
        raise UserError(
            f"{a.name} and {b.name} were not run on the same photos: {', '.join(different)} differ; run both alike"
        )
    lines = [f"Test accuracy: {verdict(a.name, b.name, a.test('accuracy'), b.test('accuracy'), 'accuracy')}"]
    settings = [key for key in a.settings if key != "name" and a.settings[key] != b.settings.get(key)]
    lines.append(f"The arms differ in: {', '.join(settings) or 'nothing'}.")
    for result in (a, b):
        for seed, run in result.runs.items():
            if run["outcome"] in ("never started", "diverged"):
                lines.append(f"{result.name} seed {seed} {run['outcome']}: its figures say nothing of the treatment.")
            elif run["outcome"] == "ran all epochs" and run["best_epoch"] == run["epochs"]:
                lines.append(f"{result.name} seed {seed} was still improving at its last epoch, {run['epochs']}.")
    return "\n".join(lines)


def _summary_row(result: Result) -> dict[str, Any]:
    runs = list(result.runs.values())
    photos = result.record["data"]["test"]
    means = {metric: over_seeds(list(result.test(metric).values())) for metric in METRICS}
    accuracy = means["accuracy"] if len(runs) > 1 else wilson(means["accuracy"].estimate, photos)
    return {
        "experiment": result.name,
        "dataset": result.record["data"]["name"],
        "model": result.settings["model"],
        "initialisation": "random" if result.settings["weights"] == "none" else "pretrained",
        "optimizer": result.settings["optimizer"],
        "image_size": result.settings["image_size"],
        "seeds": len(runs),
        "epochs": "/".join(str(run["epochs"]) for run in runs),
        "outcome": "/".join(run["outcome"] for run in runs),
        "accuracy": means["accuracy"].estimate,
        "accuracy_low": max(0.0, accuracy.low),  # Student's limits of a few seeds may lie beyond what a share can be
        "accuracy_high": min(1.0, accuracy.high),
        "interval": "t over seeds" if len(runs) > 1 else "Wilson over photos",
        "precision": means["precision"].estimate,
        "recall": means["recall"].estimate,
        "test_photos": photos,
        "seconds": sum(run["seconds"] for run in runs),
    }
