"""The chapter on photos that the networks were not made for: the same breeds, photos seen and not seen."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kerasqueeze.errors import UserError
from kerasqueeze.study import evaluation
from kerasqueeze.study.report.text import table
from kerasqueeze.study.statistics import Interval, mcnemar

HOME = "stanford_dogs"
"""The photos that are cut out of ImageNet's training set."""
NEEDED = ("model", "photos", "class_numbers", "network_classes", "origin")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One network on one set of photos.

    Attributes:
        about: What its `.json` says.
        rows: A row a photo.
    """

    about: dict[str, Any]
    rows: pd.DataFrame

    @property
    def network(self) -> str:
        """The experiment that made the network."""
        return str(self.about["origin"].get("experiment", {}).get("name", self.about["model"]))

    def right(self, only_among: bool) -> tuple[int, int]:
        """Return how many photos are right, and of how many."""
        column = "predicted_among" if only_among else "predicted"
        return int((self.rows["label"] == self.rows[column]).sum()), len(self.rows)


def gather(out: Path) -> list[Evaluation]:
    """Read the evaluations below `out`.

    Raises:
        UserError: A file of theirs is damaged.
    """
    found = []
    for path in sorted(evaluation.folder(out).glob("*.csv")):
        beside = path.with_suffix(".json")
        try:
            about = json.loads(beside.read_text(encoding="utf-8"))
            missing = [key for key in NEEDED if key not in about]
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise UserError(f"{beside} cannot be read ({error}); evaluate anew") from None
        if missing or not isinstance(about["origin"], dict):
            raise UserError(f"{beside} does not say {', '.join(missing) or 'what the network is'}; evaluate anew")
        found.append(Evaluation(about, evaluation.read(path)))
    return found


def chapter(found: list[Evaluation]) -> str:
    """Return the chapter; "" where nothing was evaluated."""
    if not found:
        return ""
    parts = [
        "## Photos that the networks have not seen",
        "Scored by `kerasqueeze evaluate`, a row a photo in `CSV/evaluations/`; intervals are over photos, Wilson's, "
        "and Newcombe's for differences between two sets of photos.",
        _scores(found),
    ]
    pairs = _pairs(found)
    if pairs:
        parts += [
            "How much is having seen the photos worth? Both sets hold the same breeds. ImageNet's training set holds "
            "the photos of Stanford Dogs, its test half too, and not the others, which also differ in other ways: who "
            "took them, and how large the dog is. A network from random weights has seen neither test set, so its "
            "difference is what these other ways come to.",
            table(
                ["network", "among", "Stanford Dogs' test photos", "the others", "difference"],
                [row for pair in pairs for row in _differences(*pair)],
            ),
            _between(pairs),
        ]
    return "\n\n".join(part for part in parts if part)


def _scores(found: list[Evaluation]) -> str:
    rows = []
    for one in found:
        among = one.about["class_numbers"]
        for only in (False, True):
            scores = evaluation.scores(one.rows, one.about["network_classes"], among, only)
            rows.append(
                [
                    one.network,
                    one.about["photos"],
                    len(one.rows),
                    f"these {len(among)}" if only else f"all {one.about['network_classes']}",
                    *(_limits(scores.get(key)) for key in ("accuracy", "top5", "recall")),
                    "" if only else f"{evaluation.calibration_error(one.rows):.3f}",
                ]
            )
    return table(["network", "photos", "count", "among", "accuracy", "top-5", "recall", "calibration error"], rows)


def _pairs(found: list[Evaluation]) -> list[tuple[Evaluation, Evaluation]]:
    """Return each network's evaluation at home with each of the same classes elsewhere."""
    return [
        (home, away)
        for home in found
        for away in found
        if home.about["photos"] == HOME
        and away.about["photos"] != HOME
        and home.about["model"] == away.about["model"]
        and home.about["class_numbers"] == away.about["class_numbers"]
    ]


def _differences(home: Evaluation, away: Evaluation) -> list[list[str]]:
    rows = []
    for only in (False, True):
        a, b = home.right(only), away.right(only)
        among = f"these {len(home.about['class_numbers'])}" if only else f"all {home.about['network_classes']}"
        shares = [f"{right / photos:.3f}" for right, photos in (a, b)]
        rows.append([home.network, among, *shares, _limits(evaluation.newcombe(a, b), sign=True)])
    return rows


def _between(pairs: list[tuple[Evaluation, Evaluation]]) -> str:
    """Return how the networks compare on the photos that none was made for, photo by photo."""
    away = [other for _, other in pairs]
    lines = []
    for number, first in enumerate(away):
        for second in away[number + 1 :]:
            same = first.about["photos"] == second.about["photos"]
            if same and first.rows["photo"].equals(second.rows["photo"]):
                right = [(one.rows["label"] == one.rows["predicted"]).to_numpy() for one in (first, second)]
                test = mcnemar(*right)
                lines.append(
                    f"- On {first.about['photos']}, {first.network} minus {second.network}: "
                    f"{_limits(test.difference, sign=True)} (McNemar p = {test.p:.2g})."
                )
    return "\n".join(lines)


def _limits(interval: Interval | None, sign: bool = False) -> str:
    if interval is None:
        return ""
    form = "+.3f" if sign else ".3f"
    return f"{interval.estimate:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
