"""What an optimizer's steps do to each block of layers, for any of `keras.optimizers`."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from kerasqueeze.models.stages import stage_of

_SUMS = ("gradient_norms", "update_ratios", "observed_steps", "observed_epoch", "learning_rate")
ALL = "all"
"""Name of the block that holds every weight."""


def block_of(variable: Any) -> str:
    """Return the stage of a variable's layer, named as `stages` groups layers: conv1, fire2, …"""
    layer = variable.path.split("/")[-2] if "/" in variable.path else variable.path
    return stage_of(layer)


class Observed(keras.optimizers.Optimizer):
    """Makes any optimizer sum up on the device what its steps do to each block of layers; the steps stay, bit for bit.

    It stands in front of the optimizer among a class' bases: `class ObservedSGD(Observed, keras.optimizers.SGD)`.

    A block's gradient norm is that of the gradients as they come, before clipping; its update ratio is the norm of all
    that a step changes, weight decay included, over the norm of the weights before it. The sums are variables of the
    optimizer, so they are saved and restored with its state. Frozen weights are in no block.

    Two things that Keras' optimizers lack come with it:

    Args:
        coupled_decay: Weight decay of the coupled kind (L2): this share of each weight, biases included, is added to
            its gradient after clipping, as `torch.optim.Adam(weight_decay=…)` does. With Adam it is divided by the
            root of the second moment like the rest of the gradient (Loshchilov & Hutter 2019, arXiv 1711.05101).
        rate_factors: By block of layers, what the rate of its weights is multiplied by (discriminative rates, Howard &
            Ruder 2018, arXiv 1801.06146, section 3.1); 1 for blocks that are not named.
        **kwargs: Of the optimizer.
    """

    def __init__(
        self,
        *args: Any,
        coupled_decay: float = 0.0,
        rate_factors: Mapping[str, float] | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.coupled_decay = coupled_decay
        self.rate_factors = dict(rate_factors or {})

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"coupled_decay": self.coupled_decay, "rate_factors": self.rate_factors}
        return {**super().get_config(), **own}

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
            float(getattr(self, "epsilon", 0.0)),
            self.block_indices,
            len(self.blocks),
        )
        unknown = {"maximum_binds": np.nan, "rate_ratio": np.nan}
        seen = {"gradient_norm": gradient_norm, "update_ratio": update_ratio, **unknown, **state}
        return {name: np.broadcast_to(np.asarray(values), len(self.blocks)) for name, values in seen.items()}

    def rate_factor(self, variable: Any) -> float:
        """Return what a variable's rate is multiplied by."""
        return self.rate_factors.get(block_of(variable), 1.0)

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        if self.coupled_decay:
            pairs = zip(grads, trainable_variables, strict=True)
            grads = [grad + ops.cast(self.coupled_decay, variable.dtype) * variable for grad, variable in pairs]
        if not self.rate_factors:
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable, learning_rate * self.rate_factor(variable))

    def _apply_weight_decay(self, variables: Any) -> None:
        if not self.rate_factors or self.weight_decay is None:
            super()._apply_weight_decay(variables)
            return
        for variable in variables:
            if self._use_weight_decay(variable):
                share = ops.cast(self.learning_rate * self.rate_factor(variable) * self.weight_decay, variable.dtype)
                variable.assign(variable - variable * share)

    def _compared(self, velocity: Any) -> Any:
        """Return what the maximum is taken over."""
        return velocity

    def _norms(self, arrays: Sequence[Any], indices: Sequence[int]) -> Any:
        return jnp.sqrt(_block_sums([jnp.square(array) for array in float32(arrays)], indices, len(self.blocks)))


def take_over(model: keras.Model, earlier: keras.optimizers.Optimizer) -> None:
    """Give a model's optimizer the state of an earlier one of the same kind: moments by weight, and the steps' count.

    Weights that the earlier one did not train begin with the state of a new optimizer, so that with Adam their first
    steps lack the correction of their bias.
    """
    optimizer, before = (getattr(one, "inner_optimizer", one) for one in (model.optimizer, earlier))
    optimizer.build(model.trainable_variables)
    found = {_local(variable): variable for variable in before.variables}
    for variable in optimizer.variables:
        source = found.get(_local(variable))
        if source is not None and source.shape == variable.shape and _local(variable) not in _SUMS:
            variable.assign(source.value)


def _local(variable: Any) -> str:
    """Return a variable's path without the optimizer's own name, which is another for each."""
    return variable.path.partition("/")[2] or variable.path


def float32(arrays: Sequence[Any]) -> list[Any]:
    """Return arrays as float32, None as 0."""
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
        return _block_sums(float32(arrays), indices, blocks)

    norms = jnp.sqrt(by_block([jnp.square(array) for array in float32(weights)]))
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
