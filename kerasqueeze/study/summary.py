"""The results table: one row per experiment, as CSV and as Markdown."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file
from kerasqueeze.locks import locked
from kerasqueeze.study import confusion
from kerasqueeze.study.pairing import check_same_photos
from kerasqueeze.study.results import METRICS, Result, read_all
from kerasqueeze.study.statistics import Interval, over_seeds, wilson
from kerasqueeze.study.verdicts import judge

MODEL_NAMES = {"squeezenet1_0": "SqueezeNet 1.0", "squeezenet1_1": "SqueezeNet 1.1"}
OPTIMIZER_NAMES = {
    "adam": "Adam",
    "amsgrad": "AMSGrad",
    "adam_matched": "Adam, matched rate",
    "sgd": "SGD",
    "momentum": "momentum",
    "nesterov": "Nesterov",
    "adagrad": "AdaGrad",
    "rmsprop": "RMSProp",
    "adamw": "AdamW",
    "lion": "Lion",
    "muon": "Muon",
}


def summarise(results: Sequence[Result], controls: Sequence[Result] | None = None) -> pd.DataFrame:
    """Return one row an experiment: settings, test metrics averaged over seeds, their 95 % limits, and the control.

    The limits are Student's t over seeds; where there is one seed, over the test photos: Wilson's for accuracy and
    top-5, a bootstrap for macro precision and recall where predictions are recorded. `interval` says which. The
    control's columns hold accuracy minus the control's, with its limits, and "above", "below" or "undecided".

    Args:
        results: The experiments.
        controls: Where to look for the control of each; `results` if None.
    """
    return pd.DataFrame([_row(result, find_control(result, controls or results)) for result in results])


def write_summary(out: Path) -> pd.DataFrame:
    """Write `CSV/summary.csv` of all experiments below `out` and return it."""
    path = Path(out) / "CSV" / "summary.csv"
    with locked(path):  # else another process' newer table could be replaced by an older one
        table = summarise(read_all(out))
        with whole_file(path) as part:
            table.to_csv(part, index=False, lineterminator="\n", float_format="%.5f")
    return table


def markdown(table: pd.DataFrame) -> str:
    """Return the results table, a row an experiment, in Markdown."""
    lines = [
        "| Model | Initialisation | Optimizer | Accuracy | Precision | Recall | Against the control | Seeds | Photos |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        cells = [
            model_name(row["model"]),
            row["initialisation"] + (f", {row['free']} trained" if row["free"] else ""),
            optimizer_name(row),
            *(limits(row, metric) for metric in ("accuracy", "precision", "recall")),
            control_cell(row),
            row["seeds"] if row["outcome"] != "not trained" else "any",
            f"{row['dataset']}, {row['image_size']} px, {row['test_photos']}",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def model_name(name: str) -> str:
    """Return a model's name to read."""
    return MODEL_NAMES.get(name, name)


def optimizer_name(row: Mapping[Any, Any]) -> str:
    """Return the optimizer of a row to read; "none" for what was not trained."""
    if row["outcome"] == "not trained":
        return "none, not trained"
    return OPTIMIZER_NAMES.get(row["optimizer"], str(row["optimizer"]))


def limits(row: Mapping[Any, Any], metric: str) -> str:
    """Return a metric of a row with its limits, where it has them."""
    if math.isnan(row[f"{metric}_low"]):
        return f"{row[metric]:.3f}"
    return f"{row[metric]:.3f} [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]"


def control_cell(row: Mapping[Any, Any]) -> str:
    """Return how a row compares with its control, in words."""
    if not row["control"]:
        return "the control itself" if row["outcome"] == "not trained" else "no control"
    if math.isnan(row["control_low"]):
        return f"{row['control_difference']:+.3f}, {row['against_control']}"
    return (
        f"{row['control_difference']:+.3f} [{row['control_low']:+.3f}, {row['control_high']:+.3f}], "
        f"{row['against_control']}"
    )


def find_control(result: Result, results: Sequence[Result]) -> Result | None:
    """Return the experiment that was only scored, of the same model on the same photos; None if there is none.

    One of the same image size comes first.
    """
    found = []
    for other in results:
        if not result.trained or other.trained or other.settings["model"] != result.settings["model"]:
            continue
        try:
            check_same_photos(result, other)
        except UserError:
            continue
        found.append(other)
    return min(found, key=lambda other: other.settings["image_size"] != result.settings["image_size"], default=None)


def intervals(result: Result) -> dict[str, Interval]:
    """Return each metric with its 95 % interval: over seeds, or over photos where there is one network."""
    values = {metric: list(result.test(metric).values()) for metric in METRICS if _has(result, metric)}
    if len(result.runs) > 1 and result.trained:
        return {metric: _within(over_seeds(found)) for metric, found in values.items()}
    photos = result.data["test"]
    single = {metric: Interval(found[0], math.nan, math.nan) for metric, found in values.items()}
    shares = {metric: wilson(found[0], photos) for metric, found in values.items() if metric in ("accuracy", "top5")}
    frame = result.of_seed(min(result.runs))
    macro = {}
    if frame is not None:
        label, predicted = frame["label"].to_numpy(), frame["predicted"].to_numpy()
        macro = confusion.over_photos(label, predicted, result.data["classes"])
    return single | shares | macro


def _row(result: Result, control: Result | None) -> dict[str, Any]:
    runs = list(result.runs.values())
    found = intervals(result)
    row: dict[str, Any] = {
        "experiment": result.name,
        "dataset": result.data["name"],
        "model": result.settings["model"],
        "initialisation": "pretrained" if result.pretrained else "random",
        "free": _free(result),
        "head": result.settings.get("head", "fresh"),
        "optimizer": result.settings["optimizer"],
        "image_size": result.settings["image_size"],
        "seeds": len(runs),
        "epochs": "/".join(str(run["epochs"]) for run in runs),
        "outcome": "not trained" if not result.trained else "/".join(run["outcome"] for run in runs),
    }
    for metric, interval in found.items():
        row |= {metric: interval.estimate, f"{metric}_low": interval.low, f"{metric}_high": interval.high}
    row["interval"] = "t over seeds" if len(runs) > 1 and result.trained else "over photos: Wilson, bootstrap"
    row |= {"control": "", "control_difference": math.nan, "control_low": math.nan, "control_high": math.nan}
    row["against_control"] = ""
    if control is not None:
        verdict = judge(result, control)
        difference = verdict.interval
        side = "above" if difference.estimate > 0 else "below"
        row |= {
            "control": control.name,
            "control_difference": difference.estimate,
            "control_low": difference.low,
            "control_high": difference.high,
            "against_control": side if difference.decided else "undecided",
        }
    return row | {"test_photos": result.data["test"], "seconds": sum(run["seconds"] for run in runs)}


def _free(result: Result) -> str:
    """Return what of the network trained, where that is not all of it at once."""
    if result.settings.get("phases"):
        return "in phases"
    return {"backbone": "head alone", "all_but_last_stage": "last stage and head"}.get(
        result.settings.get("freeze", "none"), ""
    )


def _has(result: Result, metric: str) -> bool:
    """Return whether every seed has the metric; top-5 is missing in the oldest records."""
    return metric != "top5" or all("top5" in run.get("test", {}) for run in result.runs.values())


def _within(interval: Interval) -> Interval:
    """Cut the limits to what a share can be; Student's of a few seeds may lie beyond."""
    return Interval(interval.estimate, max(0.0, interval.low), min(1.0, interval.high))
