"""Adam that keeps a log of its steps, three forms of AMSGrad, and Adam at AMSGrad's mean rate.

m and v are the moments after step t, V the running maximum, c1 = 1 - beta_1**t and c2 = 1 - beta_2**t. Steps of a
weight, before the sign:

| class, setting | maximum | step |
|---|---|---|
| `ObservedAdam` | none | lr (sqrt(c2) / c1) m / (sqrt(v) + epsilon) |
| `ObservedAdam`, `amsgrad=True` | V = max(V, v) | lr (sqrt(c2) / c1) m / (sqrt(V) + epsilon) |
| `CorrectedAMSGrad` | V = max(V, v / c2) | lr (1 / c1) m / (sqrt(V) + epsilon) |
| `PaperAMSGrad` | V = max(V, v) | lr m / (sqrt(V) + epsilon) |
| `MatchedAdam` | V = max(V, v), never in a step | r lr (sqrt(c2) / c1) m / (sqrt(v) + epsilon) |

with r the mean over all weights of (sqrt(v) + epsilon) / (sqrt(V) + epsilon).
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from kerasqueeze.models.stages import STAGE

ALL = "all"
"""Name of the block that holds every weight."""


def block_of(variable: Any) -> str:
    """Return the stage of a variable's layer, named as `stages` groups layers: conv1, fire2, …"""
    layer = variable.path.split("/")[-2] if "/" in variable.path else variable.path
    match = STAGE.match(layer)
    return match[1] if match else layer


@keras.saving.register_keras_serializable("kerasqueeze")
class ObservedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, bit for bit, that sums up on the device what its steps do to each block of layers.

    A block's gradient norm is that of the gradients as they come, before clipping; its update ratio is the norm of all
    that a step changes, weight decay included, over the norm of the weights before it. The sums are variables of the
    optimizer, so they are saved and restored with its state. Frozen weights are in no block.
    """

    def build(self, variables: Sequence[Any]) -> None:
        """Add the sums, one for each block and one for all weights."""
        if self.built:
            return
        super().build(variables)
        names = [block_of(variable) for variable in variables]
        self.blocks = (*dict.fromkeys(names), ALL)
        self.block_indices = tuple(self.blocks.index(name) for name in names)
        shape = (len(self.blocks),)
        self._gradient_norms = self.add_variable(shape, dtype="float32", name="gradient_norms")
        self._update_ratios = self.add_variable(shape, dtype="float32", name="update_ratios")
        self._observed_steps = self.add_variable((), dtype="float32", name="observed_steps")
        self._observed_epoch = self.add_variable((), dtype="float32", name="observed_epoch")  # from 1; 0: none

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Take a step as Keras does, and observe it."""
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            self.build(trainable_variables)
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        before = [ops.convert_to_tensor(variable) for variable in variables]
        super().apply(grads, trainable_variables)
        # Behind the barrier XLA cannot merge what is observed into the step itself and round that differently.
        after = jax.lax.optimization_barrier([ops.convert_to_tensor(variable) for variable in variables])
        changes = [new.astype("float32") - old.astype("float32") for new, old in zip(after, before, strict=True)]
        indices = [self.block_indices[self._get_variable_index(variable)] for variable in variables]
        weight_norms = self._norms(before, indices)
        update_norms = self._norms(changes, indices)
        self._gradient_norms.assign_add(self._norms(grads, indices))
        self._update_ratios.assign_add(update_norms / jnp.maximum(weight_norms, jnp.finfo("float32").tiny))
        self._observed_steps.assign_add(1.0)

    def begin_epoch(self, epoch: int) -> None:
        """Set the sums to 0, unless they are of this epoch's first part (a run that was resumed within it)."""
        if int(self._observed_epoch) != epoch + 1:
            for variable in (self._gradient_norms, self._update_ratios, self._observed_steps):
                variable.assign(jnp.zeros(variable.shape))
            self._observed_epoch.assign(epoch + 1.0)

    def end_epoch(self) -> dict[str, np.ndarray]:
        """Return what the epoch was like, an array over `blocks` each; NaN where nothing is known.

        `gradient_norm` and `update_ratio` are means over the epoch's steps, the others hold after the last:
        `weight_norm`; `maximum_binds`, the share of weights with V > v (v / c2 where V is over that); `rate_ratio`, the
        mean over the weights of (sqrt(v) + epsilon) / (sqrt(V) + epsilon): the effective rate with the maximum over
        that without, bias corrections aside. The two are NaN without a maximum.
        """
        self._observed_epoch.assign(0.0)
        steps = float(self._observed_steps)
        sums = (self._gradient_norms, self._update_ratios)
        gradient_norm, update_ratio = (np.asarray(each.value) / steps if steps else np.nan for each in sums)
        maxima = getattr(self, "_velocity_hats", None)
        state = _state(
            [variable.value for variable in self._trainable_variables],
            None if maxima is None else [variable.value for variable in maxima],
            None if maxima is None else [self._compared(variable.value) for variable in self._velocities],
            float(self.epsilon),
            self.block_indices,
            len(self.blocks),
        )
        unknown = {"maximum_binds": np.nan, "rate_ratio": np.nan}
        seen = {"gradient_norm": gradient_norm, "update_ratio": update_ratio, **unknown, **state}
        return {name: np.broadcast_to(np.asarray(values), len(self.blocks)) for name, values in seen.items()}

    def _compared(self, velocity: Any) -> Any:
        """Return what the maximum is taken over."""
        return velocity

    def _norms(self, arrays: Sequence[Any], indices: Sequence[int]) -> Any:
        return jnp.sqrt(_block_sums([jnp.square(array) for array in _float32(arrays)], indices, len(self.blocks)))

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
        sums = [jnp.sum(ratio) for ratio in _float32(ratios)]
        mean = jnp.sum(jnp.stack(sums)) / sum(ratio.size for ratio in ratios)
        for variable, m, v, step in moments:
            rate = ops.cast(learning_rate * mean, variable.dtype)
            rate = rate * ops.sqrt(1 - ops.power(self.beta_2, step)) / (1 - ops.power(self.beta_1, step))
            self.assign_sub(variable, m * rate / (ops.sqrt(v) + self.epsilon))


def _float32(arrays: Sequence[Any]) -> list[Any]:
    return [jnp.zeros(()) if array is None else ops.cast(array, "float32") for array in arrays]


def _block_sums(arrays: Sequence[Any], indices: Sequence[int], blocks: int) -> Any:
    """Return the sum of all elements by block, (blocks,); the last is the sum over all."""
    sums: list[Any] = [jnp.zeros(())] * (blocks - 1)
    for array, index in zip(arrays, indices, strict=True):
        sums[index] = sums[index] + jnp.sum(array)
    return jnp.stack([*sums, sum(sums, start=jnp.zeros(()))])


@functools.partial(jax.jit, static_argnums=(4, 5))
def _state(
    weights: list[Any],
    maxima: list[Any] | None,
    compared: list[Any] | None,
    epsilon: float,
    indices: tuple[int, ...],
    blocks: int,
) -> dict[str, Any]:
    """Return `weight_norm` by block; with maxima `maximum_binds` and `rate_ratio` as well."""

    def by_block(arrays: Sequence[Any]) -> Any:
        return _block_sums(_float32(arrays), indices, blocks)

    norms = jnp.sqrt(by_block([jnp.square(array) for array in _float32(weights)]))
    if maxima is None or compared is None:
        return {"weight_norm": norms}
    counts = by_block([jnp.ones(array.shape) for array in weights])
    pairs = list(zip(maxima, compared, strict=True))
    ratios = [(jnp.sqrt(v) + epsilon) / (jnp.sqrt(largest) + epsilon) for largest, v in pairs]
    return {
        "weight_norm": norms,
        "maximum_binds": by_block([largest > v for largest, v in pairs]) / counts,
        "rate_ratio": by_block(ratios) / counts,
    }
