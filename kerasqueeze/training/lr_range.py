"""A learning-rate range test: one short training along a rising rate, to see where the loss falls and where it breaks.

Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186), section 3.3.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasqueeze.data import datasets
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.errors import UserError
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.model import training_model

SMOOTHING = 0.9
"""Share of the running loss that each step keeps."""
BROKEN = 2.0
"""The test ends where the smoothed loss is so many times its lowest."""
COLUMNS = ("step", "learning_rate", "loss", "smoothed")


@keras.saving.register_keras_serializable("kerasqueeze")
class Rising(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises evenly in its logarithm from `low` to `high` over `steps` steps."""

    def __init__(self, low: float, high: float, steps: int):
        self.low, self.high, self.steps = low, high, steps

    def __call__(self, step: Any) -> Any:
        """Return the rate of `step`, counted from 0."""
        share = ops.cast(step, "float32") / max(self.steps - 1, 1)
        return self.low * ops.exp(share * math.log(self.high / self.low))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"low": self.low, "high": self.high, "steps": self.steps}


@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Attributes:
        rows: A row for each step, with the columns `COLUMNS`.
        suggested: The rate at which the smoothed loss falls fastest; None where it never falls.
        lowest: The rate of the lowest smoothed loss: beyond it training breaks.
    """

    rows: list[tuple[int, float, float, float]]
    suggested: float | None
    lowest: float


def run(experiment: Experiment, data: datasets.DataSet, seed: int, *, low: float, high: float, steps: int) -> RangeTest:
    """Train for so many steps along a rising rate; the experiment's own schedule and epochs play no part.

    Args:
        experiment: The settings; of several phases the first.
        data: The photos; only those to train on are used.
        seed: Of weights, batches, augmentation and dropout.
        low: The first rate.
        high: The last.
        steps: Steps between them, at least 10; the test ends early where the loss breaks.

    Raises:
        UserError: The limits are no range.
    """
    if not 0 < low < high <= 1000 or not 10 <= steps <= 100_000:
        raise UserError(
            f"no range test from {low:g} to {high:g} in {steps} steps; expected 0 < from < to <= 1000, and 10 to "
            "100000 steps"
        )
    model, _ = training_model(experiment, data, seed)
    model.optimizer.learning_rate = Rising(low, high, steps)
    rows, running, lowest = [], 0.0, math.inf
    for step, (pixels, labels) in zip(range(steps), _batches(experiment, data, seed), strict=False):
        rate = low * (high / low) ** (step / (steps - 1))
        model.reset_metrics()
        loss = float(model.train_on_batch(pixels, labels, return_dict=True)["loss"])
        if not math.isfinite(loss):
            break
        running = SMOOTHING * running + (1 - SMOOTHING) * loss
        smoothed = running / (1 - SMOOTHING ** (step + 1))
        rows.append((step, rate, loss, smoothed))
        lowest = min(lowest, smoothed)
        if step >= 10 and smoothed > BROKEN * lowest:
            break
    if not rows:
        raise UserError(f"the first step's loss at a rate of {low:g} is no number; begin lower: --from")
    return RangeTest(rows, *suggestion(rows))


def suggestion(rows: list[tuple[int, float, float, float]]) -> tuple[float | None, float]:
    """Return the rate at which the smoothed loss falls fastest, and the rate of its lowest.

    The fall is the slope of a line through a window of a fifteenth of the steps, over the rate's logarithm. The first
    tenth of the steps, over which the mean still settles, does not count; nor does what comes after the lowest loss.
    The first is None where the loss falls by less than a hundredth.
    """
    smoothed = np.array([row[3] for row in rows])
    at = int(smoothed.argmin())
    first = min(max(len(rows) // 10, 5), at)
    if at - first < 3 or smoothed[first] - smoothed[at] < 0.01 * smoothed[first]:
        return None, rows[at][1]
    width = min(max(len(rows) // 15, 4), at - first + 1)
    logs = np.log([row[1] for row in rows])
    slopes = [
        np.polyfit(logs[begin : begin + width], smoothed[begin : begin + width], 1)[0]
        for begin in range(first, at + 2 - width)
    ]
    return rows[first + int(np.argmin(slopes)) + width // 2][1], rows[at][1]


def _batches(experiment: Experiment, data: datasets.DataSet, seed: int) -> Iterator[Any]:
    batches = Batches(data.train, experiment.batch_size, seed=seed)
    while True:
        for index in range(len(batches)):
            yield batches[index]
        batches.epoch += 1
