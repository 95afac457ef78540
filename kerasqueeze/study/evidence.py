"""Whether the files of an experiment are whole, of one run of one code, and agree with each other."""

import math
from collections.abc import Sequence

from kerasqueeze.errors import UserError
from kerasqueeze.study import confusion
from kerasqueeze.study.pairing import check_same_photos, name_seeds
from kerasqueeze.study.results import Result

TOLERANCE = 1e-4
"""The recorded metrics are means of float32; those computed again here are of float64."""


def problems(result: Result) -> list[str]:
    """Return what keeps an experiment out of a report, a phrase each: partial, stale or self-contradicting files."""
    found = []
    if result.unfinished:
        found.append(f"{name_seeds(list(result.unfinished))} unfinished")
    codes = {run.get("code") for run in result.runs.values()}
    if None in codes:
        found.append("recorded before the code was (an older record)")
    elif len(codes) > 1:
        found.append("its seeds were run by different code")
    numerics = [run["numerics"] for run in result.runs.values() if "numerics" in run]
    if any(other != numerics[0] for other in numerics[1:]):
        found.append("its seeds were computed with different numeric settings")
    for seed, run in result.runs.items():
        found += [f"seed {seed}: {problem}" for problem in (*_history(result, seed, run), *_scores(result, seed, run))]
    return found


def check(results: Sequence[Result]) -> None:
    """Refuse a report on experiments that are partial, stale, of different code or of different photos.

    Raises:
        UserError: One line with every experiment and all its problems.
    """
    found = [(result, problems(result)) for result in results]
    lines = [f"{result.name}: {', '.join(listed)}" for result, listed in found if listed]
    codes = {result.name: next(iter(result.runs.values())).get("code") for result in results}
    if not lines and len(set(codes.values())) > 1:
        lines.append("different code: " + ", ".join(f"{name} by {code}" for name, code in codes.items()))
    for other in results[1:]:
        try:
            check_same_photos(results[0], other)
        except UserError as error:
            lines.append(str(error))
    if lines:
        raise UserError(
            "no report from files that are partial, stale or do not belong together: " + "; ".join(lines) + ". "
            "Run these again (python scripts/run.py --exp NAME --fresh), or choose others with --exp"
        )


def check_pair_is_complete(a: Result, b: Result) -> None:
    """Refuse two arms of one question that were not run with the same seeds.

    Raises:
        UserError: If a seed of one is missing in the other.
    """
    for one, other in ((a, b), (b, a)):
        missing = sorted(one.runs.keys() - other.runs.keys())
        if missing:
            common = ",".join(str(seed) for seed in sorted(a.runs.keys() & b.runs.keys()))
            raise UserError(
                f"{other.name} has no {name_seeds(missing)}, which {one.name} has; run: python scripts/run.py "
                f"--exp {other.name} --seeds {','.join(map(str, missing))}"
                + (f"; or leave them out with --seeds {common}" if common else "")
            )


def _history(result: Result, seed: int, run: dict) -> list[str]:
    """Compare a run with its rows of the history."""
    rows = result.rows[result.rows["seed"] == seed].set_index("epoch")
    if not run["epochs"] or not run.get("best_epoch"):
        return []
    found = []
    if list(rows.index) != list(range(1, run["epochs"] + 1)):
        return ["the history's epochs are not those recorded"]
    if rows["loss_val"].notna().any() and rows["loss_val"].idxmin() != run["best_epoch"]:
        found.append(f"the lowest validation loss is not at the recorded epoch {run['best_epoch']}")
    kept = rows.loc[run["best_epoch"]]
    for key, value in run.get("validation", {}).items():
        if key == "loss" and result.settings.get("label_smoothing"):
            continue  # smoothed in the history, plain in the record
        if (
            f"{key}_val" in rows
            and value is not None
            and not math.isclose(kept[f"{key}_val"], value, abs_tol=TOLERANCE)
        ):
            found.append(f"validation {key} is {kept[f'{key}_val']:.4f} in the history, {value:.4f} in the record")
    return found


def _scores(result: Result, seed: int, run: dict) -> list[str]:
    """Compute the test scores of a run again from its predictions."""
    if "test" not in run:
        return ["no test scores"]
    frame, photos, classes = result.of_seed(seed), result.data["test"], result.data["classes"]
    if frame is None:
        return ["no predictions"]
    values = frame[["label", "predicted"]].to_numpy()
    again = confusion.scores(confusion.counts(values[:, 0], values[:, 1], classes))
    return [
        f"{key} is {value:.4f} by the predictions, {run['test'][key]:.4f} in the record"
        for key, value in again.items()
        if not math.isclose(value, run["test"][key], abs_tol=TOLERANCE if key != "accuracy" else 0.5 / photos)
    ]
