"""Learning-rate sensitivity: the same experiments over a grid of rates at equal budgets, by validation alone.

A trial is one learning rate; its result is the mean over its seeds. The expected best result of k trials is that of
Dodge et al. 2019, "Show Your Work: Improved Reporting of Experimental Results" (arXiv 1909.03004), but drawn without
replacement, which makes it unbiased (Tang et al. 2020, "Showing Your Work Doesn't Always Work", arXiv 2004.13705).
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file
from kerasqueeze.locks import locked
from kerasqueeze.training.experiment import Experiment

BUDGET = ("dataset", "epochs", "batch_size", "image_size", "limit", "patience")
"""Settings that all points of a sweep share."""
MOST_POINTS = 1000
COLUMNS = (
    "experiment",
    "optimizer",
    "learning_rate",
    "seed",
    "loss_val",
    "accuracy_val",
    "epoch",
    "outcome",
    *BUDGET,
    "steps",
    "epochs_run",
    "seconds",
    "classes",
    "validation_photos",
)


def log_grid(low: float, high: float, points: int) -> list[float]:
    """Return `points` rates from `low` to `high`, evenly apart in their logarithm, to four digits.

    Raises:
        UserError: If these limits have no such grid.
    """
    if not 0 < low < high <= 1 or not 2 <= points <= MOST_POINTS:
        raise UserError(
            f"no grid of {points} learning rates from {low:g} to {high:g}; expected at least 2 points, at most "
            f"{MOST_POINTS}, and 0 < from < to <= 1"
        )
    return _checked([float(f"{rate:.4g}") for rate in np.geomspace(low, high, points)])


def parse_rates(text: str) -> list[float]:
    """Read `1e-5,1e-4`: learning rates, each once; return them sorted.

    Raises:
        UserError: If it is no such list.
    """
    try:
        return _checked([float(part) for part in text.split(",")])
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{text!r} is not a list of learning rates; expected numbers such as 1e-5,1e-4") from None


def point_dir(out: Path, name: str, rate: float) -> Path:
    """Return the folder of one point of the sweep below `out`; it holds `CSV/` and `models/` as any run's does."""
    return Path(out) / "sweep" / name / f"lr_{rate!r}"


def csv_path(out: Path) -> Path:
    """Return where the sweep's table lies below `out`."""
    return Path(out) / "CSV" / "sweep.csv"


def run(
    experiments: Sequence[Experiment],
    rates: Sequence[float],
    seeds: Sequence[int],
    train: Callable[..., Any],
    out: Path,
) -> pd.DataFrame:
    """Train every experiment at every rate and write `CSV/sweep.csv` after each point.

    Args:
        experiments: The arms, with equal budgets.
        rates: The grid.
        seeds: Seeds at each point.
        train: `train(experiment, seeds, out=…)` leaves a record and a history in `out`, skips seeds that it finds
            finished there, and does not look at the test photos.
        out: Folder that `sweep/`, `CSV/` and `PNG/` lie in; points of earlier sweeps in it belong to the table.

    Returns:
        The table of all points below `out`, as `collect`.

    Raises:
        UserError: If the budgets of the arms, or of points below `out`, differ; or as `train` does.
    """
    _same_budgets([*(experiment.settings() for experiment in experiments), *_settings(_read(out))])
    for rate in rates:  # the arms side by side: a sweep that is cut short still compares them
        for experiment in experiments:
            train(experiment.override(learning_rate=rate), seeds, out=point_dir(out, experiment.name, rate))
            with locked(csv_path(out)):  # else another process' newer table could be replaced by an older one
                table = collect(out)
                with whole_file(csv_path(out)) as part:
                    table.to_csv(part, index=False, lineterminator="\n")
    return collect(out)


def collect(out: Path) -> pd.DataFrame:
    """Return a row for each experiment, rate and seed that is finished below `out`, with the columns `COLUMNS`.

    `loss_val` is the lowest validation loss, `accuracy_val` and `epoch` belong to it; they are empty for a run that
    diverged in its first epoch. `steps` is the budget in optimizer steps, `epochs_run` what early stopping left of it.

    Raises:
        UserError: If the points' budgets differ.
    """
    found = _read(out)
    _same_budgets(_settings(found))
    rows = [_row(record, history_rows, int(seed)) for record, history_rows in found for seed in record["runs"]]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["experiment", "learning_rate", "seed"], ignore_index=True)


def trials(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each experiment and rate that has all the table's seeds: the means over them.

    A run without a finite validation loss counts as guessing: accuracy 1 / classes, loss ln(classes).
    """
    filled = table.assign(
        accuracy_val=table["accuracy_val"].fillna(1 / table["classes"]),
        loss_val=table["loss_val"].fillna(table["classes"].map(math.log)),
    )
    groups = filled.groupby(["experiment", "learning_rate"])
    means = groups.agg(accuracy_val=("accuracy_val", "mean"), loss_val=("loss_val", "mean"), seeds=("seed", "nunique"))
    return means[means["seeds"] == table["seed"].nunique()].reset_index()


def expected_best(values: Sequence[float]) -> list[float]:
    """Return the expected maximum of k values drawn without replacement, for k from 1 to all of them.

    The i-th smallest of n is the maximum of C(i - 1, k - 1) of the C(n, k) subsets.
    """
    ordered = sorted(values)
    count = len(ordered)
    return [
        sum(value * math.comb(below, k - 1) / math.comb(count, k) for below, value in enumerate(ordered))
        for k in range(1, count + 1)
    ]


def best(table: pd.DataFrame) -> pd.DataFrame:
    """Return each arm's trial of the highest validation accuracy; of equal ones that of the lowest loss."""
    ordered = trials(table).sort_values(["accuracy_val", "loss_val"], ascending=[False, True], kind="stable")
    return ordered.groupby("experiment", sort=True).head(1).sort_values("experiment", ignore_index=True)


def edge_warnings(table: pd.DataFrame) -> list[str]:
    """Return a line for each arm whose best rate is the lowest or highest of its grid."""
    lines, points = [], trials(table)
    for arm in best(table).to_dict("records"):
        rates = points.loc[points["experiment"] == arm["experiment"], "learning_rate"]
        rate = arm["learning_rate"]
        sides = [side for edge, side in ((rates.min(), "lower"), (rates.max(), "higher")) if rate == edge]
        if sides:
            side = " or ".join(sides)
            lines.append(
                f"warning: {arm['experiment']} is best at {rate:g}, the edge of its grid; its best rate may be {side}: "
                f"add {side} rates"
            )
    return lines


def markdown(table: pd.DataFrame) -> str:
    """Return the best trial of each arm in Markdown."""
    lines = [
        "| Experiment | Best learning rate | Validation accuracy | Validation loss | Rates tried | Seeds each |",
        "|---|---|---|---|---|---|",
    ]
    tried = trials(table)["experiment"].value_counts()
    for row in best(table).to_dict("records"):
        lines.append(
            f"| {row['experiment']} | {row['learning_rate']:g} | {row['accuracy_val']:.3f} | {row['loss_val']:.3f} "
            f"| {tried[row['experiment']]} | {row['seeds']} |"
        )
    return "\n".join(lines)


def _checked(rates: list[float]) -> list[float]:
    if not all(0 < rate <= 1 for rate in rates) or len(set(rates)) != len(rates):
        listed = ", ".join(f"{rate:g}" for rate in rates)
        raise UserError(f"learning rates {listed}: expected numbers above 0, at most 1, each once")
    return sorted(rates)


def _read(out: Path) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Read record and history of every point with a finished seed."""
    records = history.read_others(sorted((Path(out) / "sweep").glob("*/lr_*/CSV/*.json")))
    return [(record, history.read_csv(path.with_suffix(".csv"))) for path, record in records.items() if record["runs"]]


def _settings(found: Sequence[tuple[dict[str, Any], pd.DataFrame]]) -> list[dict[str, Any]]:
    return [{**record["experiment"], "photos": record["data"]["fingerprint"]} for record, _ in found]


def _same_budgets(settings: Sequence[dict[str, Any]]) -> None:
    for key in (*BUDGET, "photos"):  # which photos they are is known of finished points alone
        having = [entry for entry in settings if key in entry]
        for other in having[1:]:
            if other[key] != having[0][key]:
                raise UserError(
                    f"{having[0]['name']} has {key}={having[0][key]!r} and {other['name']} {key}={other[key]!r}; a "
                    "sweep compares at equal budgets: give both the same, and another --out if earlier points differ"
                )


def _row(record: dict[str, Any], rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    settings, data, done = record["experiment"], record["data"], record["runs"][str(seed)]
    kept = rows[(rows["seed"] == seed) & (rows["epoch"] == done["best_epoch"])]
    found = kept.iloc[0] if len(kept) else {"loss_val": math.nan, "accuracy_val": math.nan}
    return {
        "experiment": settings["name"],
        "optimizer": settings["optimizer"],
        "learning_rate": settings["learning_rate"],
        "seed": seed,
        "loss_val": found["loss_val"],
        "accuracy_val": found["accuracy_val"],
        "epoch": done["best_epoch"],
        "outcome": done["outcome"],
        **{key: settings.get(key) for key in BUDGET},
        "steps": settings["epochs"] * (data["train"] // settings["batch_size"]),
        "epochs_run": done["epochs"],
        "seconds": done["seconds"],
        "classes": data["classes"],
        "validation_photos": data["validation"],
    }
