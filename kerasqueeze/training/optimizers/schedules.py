"""The learning rate over the steps of a run.

| `schedule` | after the warm-up |
|---|---|
| `cosine` | falls along half a cosine to 0: `Warmup`, the same numbers as `keras.optimizers.schedules.CosineDecay` |
| `constant` | stays |
| `linear` | falls along a line to 0: Keras' `PolynomialDecay` |
| `exponential` | falls evenly in its logarithm to a hundredth: Keras' `ExponentialDecay` |
| `step` | a tenth after half of the steps, a hundredth after three quarters: Keras' `PiecewiseConstantDecay` |
| `one_cycle` | has a warm-up of its own: `OneCycle` |
"""

import math
from typing import Any

import keras
from keras import ops
from keras.optimizers import schedules

NAMES = ("cosine", "one_cycle", "step", "linear", "exponential", "constant")
RISE = 0.3
"""Share of the steps in which one cycle's rate rises."""


def build(name: str, peak: float, warmup_steps: int, total_steps: int) -> schedules.LearningRateSchedule:
    """Return the schedule called `name`, one of `NAMES`, over so many steps with its highest rate `peak`."""
    if name == "cosine":
        return Warmup(peak, warmup_steps, total_steps)
    if name == "one_cycle":
        return OneCycle(peak, total_steps)
    steps = max(1, total_steps - warmup_steps)
    after = {
        "step": lambda: schedules.PiecewiseConstantDecay([steps // 2, steps * 3 // 4], [peak, peak / 10, peak / 100]),
        "linear": lambda: schedules.PolynomialDecay(peak, steps, end_learning_rate=0.0),
        "exponential": lambda: schedules.ExponentialDecay(peak, steps, decay_rate=0.01),
        "constant": lambda: schedules.PiecewiseConstantDecay([total_steps], [peak, peak]),
    }
    return AfterWarmup(peak, warmup_steps, after[name]())


@keras.saving.register_keras_serializable("kerasqueeze")
class Warmup(schedules.LearningRateSchedule):
    """A rate that rises linearly to its peak and falls along half a cosine to 0.

    Without the rise SqueezeNet, which has no batch normalisation, often never leaves a loss of ln(classes).
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int):
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps

    def __call__(self, step: Any) -> Any:
        """Return the rate of `step`, counted from 0; the first is `peak / warmup_steps`, not 0."""
        step = ops.cast(step, "float32")
        rise = (step + 1.0) / max(1, self.warmup_steps)
        done = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        fall = 0.5 * (1.0 + ops.cos(3.141592653589793 * ops.clip(done, 0.0, 1.0)))
        return self.peak * ops.minimum(rise, fall)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}


@keras.saving.register_keras_serializable("kerasqueeze")
class AfterWarmup(schedules.LearningRateSchedule):
    """A rate that rises linearly to its peak and goes on along another schedule, whose steps count from there."""

    def __init__(self, peak: float, warmup_steps: int, schedule: schedules.LearningRateSchedule):
        self.peak, self.warmup_steps, self.schedule = peak, warmup_steps, schedule

    def __call__(self, step: Any) -> Any:
        """Return the rate of `step`, counted from 0; the first is `peak / warmup_steps`, not 0."""
        step = ops.cast(step, "float32")
        rise = self.peak * (step + 1.0) / max(1, self.warmup_steps)
        after = ops.cast(self.schedule(ops.maximum(step - self.warmup_steps, 0.0)), "float32")
        return ops.where(step < self.warmup_steps, rise, after)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "schedule": schedule}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AfterWarmup":
        """Return the schedule of a configuration."""
        return cls(**{**config, "schedule": keras.saving.deserialize_keras_object(config["schedule"])})


@keras.saving.register_keras_serializable("kerasqueeze")
class OneCycle(schedules.LearningRateSchedule):
    """One cycle: from `peak / 25` up to the peak in the first steps, then down to `peak / 250,000`, along half cosines.

    The numbers of torch's `OneCycleLR` with its defaults (Smith & Topin 2017, arXiv 1708.07120): of T steps the highest
    is number `rise * T - 1`, counted from 0, and the lowest the last.
    """

    def __init__(self, peak: float, total_steps: int, rise: float = RISE):
        self.peak, self.total_steps, self.rise = peak, total_steps, rise

    def __call__(self, step: Any) -> Any:
        """Return the rate of `step`, counted from 0."""
        return one_cycle(step, self.total_steps, self.rise, self.peak / 25, self.peak, self.peak / 250_000)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"peak": self.peak, "total_steps": self.total_steps, "rise": self.rise}


@keras.saving.register_keras_serializable("kerasqueeze")
class Later(schedules.LearningRateSchedule):
    """A schedule that begins after some steps."""

    def __init__(self, schedule: schedules.LearningRateSchedule, begins_at: int):
        self.schedule, self.begins_at = schedule, begins_at

    def __call__(self, step: Any) -> Any:
        """Return the rate of `step`, counted from 0."""
        return self.schedule(ops.maximum(ops.cast(step, "float32") - self.begins_at, 0.0))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "begins_at": self.begins_at}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Later":
        """Return the schedule of a configuration."""
        return cls(**{**config, "schedule": keras.saving.deserialize_keras_object(config["schedule"])})


def one_cycle(step: Any, total_steps: int, rise: float, first: float, middle: float, last: float) -> Any:
    """Return a value that goes from `first` to `middle` and on to `last` along half cosines, at `step` from 0."""
    step = ops.cast(step, "float32")
    top = max(rise * total_steps - 1, 1.0)
    fall = max(total_steps - 1 - top, 1.0)
    up = ops.clip(step / top, 0.0, 1.0)
    down = ops.clip((step - top) / fall, 0.0, 1.0)
    rising = first + (middle - first) * 0.5 * (1.0 - ops.cos(math.pi * up))
    falling = last + (middle - last) * 0.5 * (1.0 + ops.cos(math.pi * down))
    return ops.where(step < top, rising, falling)
