"""The part of the report on probabilities: expected calibration error before and after temperature scaling."""

from collections.abc import Sequence
from pathlib import Path

from kerasqueeze.study.figures import reliability
from kerasqueeze.study.report.text import table
from kerasqueeze.study.results import Result

ABOUT = (
    "One temperature is fitted on the validation photos and divides the logits: no predicted class changes. Expected "
    "calibration error: the mean over the test photos of how far the share that is right lies from the probability of "
    "the predicted class, in 15 bins (Guo et al., 2017)."
)


def section(results: Sequence[Result]) -> str:
    """Return the chapter of the main results; "" where no probabilities were kept."""
    shown = of(results)
    return f"## Can the probabilities be taken at their word?\n\n{shown}" if shown else ""


def of(results: Sequence[Result], study: str = "") -> str:
    """Return table and picture of the results whose probabilities were kept; "" if there are none."""
    known = reliability.known(results)
    if not known:
        return ""
    rows = [
        [
            r.settings["name"],
            "/".join(f"{run['temperature']:.2f}" for run in r.runs.values() if "temperature" in run),
            *(f"{reliability.of_result(r, column).error:.3f}" for column in reliability.FORMS),
            *(f"{_mean(r, column):.3f}" for column in reliability.FORMS),
            f"{_right(r):.3f}",
        ]
        for r in known
    ]
    headers = [
        "experiment",
        "temperature",
        "error as trained",
        "error at the temperature",
        "mean probability as trained",
        "at the temperature",
        "share right",
    ]
    picture = f"![Reliability diagrams]({reliability.path(Path(), study).as_posix()})"
    return "\n\n".join([ABOUT, table(headers, rows), picture])


def _mean(result: Result, column: str) -> float:
    found = reliability.of_result(result, column)
    return float((found.photos * found.confidence).sum() / found.photos.sum())


def _right(result: Result) -> float:
    found = reliability.of_result(result, "confidence")
    return float((found.photos * found.accuracy).sum() / found.photos.sum())
