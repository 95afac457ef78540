"""Tables of experiments side by side: what trains and for how long, and update rules from the same start."""

from collections.abc import Sequence
from typing import Any

from kerasqueeze.errors import UserError
from kerasqueeze.study.report.text import table
from kerasqueeze.study.results import Result
from kerasqueeze.study.summary import OPTIMIZER_NAMES, intervals

FREE = {"backbone": "frozen: the head alone", "all_but_last_stage": "last stage and head", "none": "all"}


def of(results: Sequence[Result]) -> str:
    """Return the tables that belong to the kinds of experiments among the results; "" if none does."""
    parts = [epochs_by_freezing(results), optimizers(results)]
    return "\n\n".join(part for part in parts if part)


def epochs_by_freezing(results: Sequence[Result]) -> str:
    """Return training loss and test accuracy by what trains and for how many epochs, and by optimizer.

    It takes experiments of one phase that differ in the two, at least two parts of the network among them.
    """
    chosen = [r for r in results if r.trained and not r.settings.get("phases") and "freeze" in r.settings]
    if len({r.settings["freeze"] for r in chosen}) < 2:
        return ""
    plain = [r for r in chosen if r.settings["optimizer"] != "momentum"]
    counts = sorted({r.settings["epochs"] for r in plain})
    rows = []
    for count in counts:
        cells = [next((r for r in plain if _key(r) == (part, count)), None) for part in FREE]
        rows.append([str(count), *map(_loss_and_accuracy, cells)])
    parts = [
        "Training loss of the kept epoch; accuracy on the test photos:",
        table(["epochs", *FREE.values()], rows),
    ]
    pairs = [
        (r, other)
        for r in chosen
        for other in plain
        if r.settings["optimizer"] == "momentum" and _key(r) == _key(other)
    ]
    if pairs:
        rows = [
            [f"{b.settings['epochs']}, {FREE[b.settings['freeze']]}", _loss_and_accuracy(b), _loss_and_accuracy(a)]
            for a, b in sorted(pairs, key=lambda pair: pair[1].settings["epochs"])
        ]
        parts.append(table(["epochs", "Adam", "SGD with momentum 0.9"], rows))
    return "\n\n".join(parts)


def _key(result: Result) -> tuple[str, int]:
    return result.settings["freeze"], result.settings["epochs"]


def _loss_and_accuracy(result: Result | None) -> str:
    if result is None:
        return "not run"
    return f"loss {mean_kept(result, 'loss_train'):.3f}, accuracy {limits(result)}"


def optimizers(results: Sequence[Result]) -> str:
    """Return a table of update rules from the same start; "" with fewer than three of them."""
    chosen = of_optimizers(results)
    if not chosen:
        return ""
    rows = [
        [
            OPTIMIZER_NAMES.get(r.settings["optimizer"], r.settings["optimizer"]),
            f"{r.settings['learning_rate']:g}",
            f"{mean_kept(r, 'loss_train'):.3f}",
            f"{mean_kept(r, 'loss_val'):.3f}",
            limits(r),
            str(len(r.runs)),
        ]
        for r in chosen
    ]
    headers = [
        "update rule",
        "rate, chosen by validation",
        "training loss",
        "validation loss",
        "test accuracy",
        "seeds",
    ]
    return table(headers, rows)


def of_optimizers(results: Sequence[Result]) -> list[Result]:
    """Return the experiments that compare update rules, at least three of them; none otherwise."""
    found = [r for r in results if r.trained and r.settings["name"].startswith("optimizers_")]
    return found if len(found) > 2 else []


def mean_kept(result: Result, column: str) -> float:
    """Return the mean over seeds of a column of the history in the epoch whose weights were kept."""
    values = []
    for seed, run in result.runs.items():
        rows = result.rows[result.rows["seed"] == seed]
        epoch = int(rows["epoch"].max()) if result.settings.get("keep") == "last" else run["best_epoch"]
        values.append(float(rows.loc[rows["epoch"] == epoch, column].iloc[0]) if epoch else float("nan"))
    return sum(values) / len(values)


def limits(result: Result) -> str:
    """Return the test accuracy with its interval."""
    try:
        found = intervals(result)["accuracy"]
    except UserError:
        return "not scored"
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"


def epochs_run(result: Result) -> str:
    """Return the epochs that were run, seed by seed."""
    return "/".join(str(run["epochs"]) for run in result.runs.values())


def minutes(result: Result) -> str:
    """Return the mean over seeds of the minutes that a run took."""
    seconds: list[Any] = [run["seconds"] for run in result.runs.values()]
    return f"{sum(seconds) / len(seconds) / 60:.1f}"
