"""Adam that keeps a log of its steps, three forms of AMSGrad, and Adam at AMSGrad's mean rate.

m and v are the moments after step t, V the running maximum, c1 = 1 - beta_1**t and c2 = 1 - beta_2**t. Steps of a
weight, before the sign:

| class, setting | maximum | step |
|---|---|---|
| `ObservedAdam` | none | lr (sqrt(c2) / c1) m / (sqrt(v) + epsilon) |
| `ObservedAdam`, `amsgrad=True` | V = max(V, v) | lr (sqrt(c2) / c1) m / (sqrt(V) + epsilon) |
| `CorrectedAMSGrad` | V = max(V, v / c2) | lr (1 / c1) m / (sqrt(V) + epsilon) |
| `PaperAMSGrad` | V = max(V, v) | lr m / (sqrt(V) + epsilon) |
| `CycledAdam` | as above | as above, beta_1 moving against the rate |
| `MatchedAdam` | V = max(V, v), never in a step | r lr (sqrt(c2) / c1) m / (sqrt(v) + epsilon) |

with r the mean over all weights of (sqrt(v) + epsilon) / (sqrt(V) + epsilon).
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import keras
from keras import ops

from kerasqueeze.training.optimizers.observed import Observed, float32
from kerasqueeze.training.optimizers.schedules import one_cycle

__all__ = ["CorrectedAMSGrad", "CycledAdam", "MatchedAdam", "ObservedAdam", "PaperAMSGrad"]


@keras.saving.register_keras_serializable("kerasqueeze")
class ObservedAdam(Observed, keras.optimizers.Adam):
    """`keras.optimizers.Adam`, bit for bit, that keeps a log of its steps."""

    def _advance(self, gradient: Any, variable: Any) -> tuple[Any, Any, Any, Any]:
        """Bring both moments up to this step; return them, the maximum's variable and the step's number from 1."""
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        gradient = ops.cast(gradient, variable.dtype)
        self.assign_add(m, (gradient - m) * (1 - self.beta_1))
        self.assign_add(v, (ops.square(gradient) - v) * (1 - self.beta_2))
        return m, v, self._velocity_hats[index], ops.cast(self.iterations + 1, variable.dtype)


@keras.saving.register_keras_serializable("kerasqueeze")
class CorrectedAMSGrad(ObservedAdam):
    """AMSGrad whose maximum is over the bias-corrected second moment, as `optax.amsgrad`; needs `amsgrad=True`."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take the step of one variable."""
        m, v, largest, step = self._advance(gradient, variable)
        self.assign(largest, ops.maximum(largest, v / (1 - ops.power(self.beta_2, step))))
        rate = ops.cast(learning_rate, variable.dtype) / (1 - ops.power(self.beta_1, step))
        self.assign_sub(variable, rate * m / (ops.sqrt(largest) + self.epsilon))

    def _compared(self, velocity: Any) -> Any:
        return velocity / (1 - ops.power(self.beta_2, ops.cast(ops.maximum(self.iterations, 1), velocity.dtype)))


@keras.saving.register_keras_serializable("kerasqueeze")
class PaperAMSGrad(ObservedAdam):
    """AMSGrad as in Reddi, Kale & Kumar 2018, algorithm 2: no bias corrections; needs `amsgrad=True`.

    The paper has no epsilon; it is kept against 0 / 0 in weights that never had a gradient. The first steps are about
    (1 - beta_1) / sqrt(1 - beta_2) = 3.2 times as long as Adam's.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take the step of one variable."""
        m, v, largest, _ = self._advance(gradient, variable)
        self.assign(largest, ops.maximum(largest, v))
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * m / (ops.sqrt(largest) + self.epsilon))


@keras.saving.register_keras_serializable("kerasqueeze")
class MatchedAdam(ObservedAdam):
    """Adam at AMSGrad's mean effective rate: tells the maximum itself from the smaller rate that it brings.

    The maximum V = max(V, v) is followed along this optimizer's own path, as a shadow. At each step the one global rate
    is multiplied by r, the mean over all weights of (sqrt(v) + epsilon) / (sqrt(V) + epsilon): what AMSGrad in this
    state would multiply Adam's rate by, on average, but the same for every weight. Without a V above its v, r is 1 and
    the step Adam's. Weight decay keeps the rate without r, as it does in AMSGrad.
    """

    def build(self, variables: Sequence[Any]) -> None:
        """Add the shadow."""
        if self.built:
            return
        super().build(variables)
        self._velocity_hats = self.add_optimizer_variables(variables, "velocity_hat")

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """Update all moments, then the rate, then the weights."""
        moments, ratios = [], []
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            m, v, largest, step = self._advance(gradient, variable)
            self.assign(largest, ops.maximum(largest, v))
            moments.append((variable, m, v, step))
            ratios.append((ops.sqrt(v) + self.epsilon) / (ops.sqrt(largest) + self.epsilon))
        sums = [jnp.sum(ratio) for ratio in float32(ratios)]
        mean = jnp.sum(jnp.stack(sums)) / sum(ratio.size for ratio in ratios)
        for variable, m, v, step in moments:
            rate = ops.cast(learning_rate * mean, variable.dtype)
            rate = rate * ops.sqrt(1 - ops.power(self.beta_2, step)) / (1 - ops.power(self.beta_1, step))
            self.assign_sub(variable, m * rate / (ops.sqrt(v) + self.epsilon))


@keras.saving.register_keras_serializable("kerasqueeze")
class CycledAdam(ObservedAdam):
    """Adam or AMSGrad whose beta_1 moves against the rate, as `torch.optim.lr_scheduler.OneCycleLR` makes it.

    beta_1 falls from `high` to `low` while the rate rises and rises to `high` again while it falls, along half a cosine
    each; the bias correction of a step is 1 - beta_1**t with the step's own beta_1, as in torch.

    Args:
        total_steps: Steps of the cycle.
        rise: Share of them in which the rate rises.
        low: beta_1 where the rate is highest.
        high: beta_1 at both ends.
        **kwargs: Of `ObservedAdam`.
    """

    def __init__(
        self, *args: Any, total_steps: int, rise: float = 0.3, low: float = 0.85, high: float = 0.95, **kwargs
    ):
        super().__init__(*args, **kwargs)
        self.total_steps, self.rise, self.low, self.high = total_steps, rise, low, high

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"total_steps": self.total_steps, "rise": self.rise, "low": self.low, "high": self.high}
        return {**super().get_config(), **own}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take the step of one variable."""
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        gradient, rate = ops.cast(gradient, variable.dtype), ops.cast(learning_rate, variable.dtype)
        beta_1 = ops.cast(
            one_cycle(self.iterations, self.total_steps, self.rise, self.high, self.low, self.high), m.dtype
        )
        step = ops.cast(self.iterations + 1, variable.dtype)
        self.assign_add(m, (gradient - m) * (1 - beta_1))
        self.assign_add(v, (ops.square(gradient) - v) * (1 - self.beta_2))
        second = v
        if self.amsgrad:
            second = self._velocity_hats[index]
            self.assign(second, ops.maximum(second, v))
        rate = rate * ops.sqrt(1 - ops.power(self.beta_2, step)) / (1 - ops.power(beta_1, step))
        self.assign_sub(variable, m * rate / (ops.sqrt(second) + self.epsilon))
