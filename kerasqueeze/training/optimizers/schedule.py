"""The learning rate over the steps of a run."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("kerasqueeze")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises linearly to its peak and falls along half a cosine to 0.

    Without the rise SqueezeNet, which has no batch normalisation, often never leaves a loss of ln(classes).
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int):
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps

    def __call__(self, step: Any) -> Any:
        """Return the rate of `step`, counted from 0; the first is `peak / warmup_steps`, not 0."""
        step = keras.ops.cast(step, "float32")
        rise = (step + 1.0) / max(1, self.warmup_steps)
        done = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        fall = 0.5 * (1.0 + keras.ops.cos(3.141592653589793 * keras.ops.clip(done, 0.0, 1.0)))
        return self.peak * keras.ops.minimum(rise, fall)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}
