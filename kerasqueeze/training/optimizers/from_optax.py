"""Any update rule of optax as a Keras optimizer."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from kerasqueeze.errors import UserError, unknown
from kerasqueeze.training.optimizers.observed import Observed

PREFIX = "optax:"
LEFT_OUT = {"schedule_free_adamw", "schedule_free_sgd"}
"""Rules whose weights to use are others than those that they train."""


@keras.saving.register_keras_serializable("kerasqueeze")
class OptaxOptimizer(Observed):
    """A function of optax that takes a learning rate and returns a `GradientTransformation`, as a Keras optimizer.

    Its state lies in variables of the optimizer, a variable for each array, so it is saved and restored like any
    other's. The rate is Keras', with its schedule: the transformation is made anew in each step with the rate of that
    step. Clipping, weight decay and moving averages are Keras' own, before and after it.

    Args:
        learning_rate: The rate or its schedule.
        rule: Name of the function in `optax` or `optax.contrib`, such as "adabelief" or "prodigy".
        options: Further arguments of the function.
        **kwargs: Of `Observed` and `keras.optimizers.Optimizer`.

    Raises:
        UserError: There is no such function, or it takes no such arguments.
    """

    def __init__(
        self,
        learning_rate: Any,
        rule: str,
        options: Mapping[str, Any] | None = None,
        name: str = "optax",
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.rule, self.options = rule, dict(options or {})
        self._function = function(rule)
        taken = set(inspect.signature(self._function).parameters) - {"learning_rate"}
        for option in self.options:
            if option not in taken:
                raise unknown(f"option of {PREFIX}{rule}", option, sorted(taken))
        self._transformation(1e-3)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "rule": self.rule, "options": self.options}

    def build(self, variables: Any) -> None:
        """Add a variable for each array of the transformation's state."""
        if self.built:
            return
        super().build(variables)
        weights = [jnp.asarray(variable.value) for variable in variables]
        try:
            state = self._transformation(1e-3).init(weights)
            update = functools.partial(self._transformation(1e-3).update)
            jax.eval_shape(update, weights, state, weights)
        except Exception as error:  # what a rule asks for beside gradients and weights, it asks for in its own way
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{PREFIX}{self.rule} cannot be used here ({reason}); expected a rule that needs gradients and weights "
                "alone, such as optax:adabelief"
            ) from None
        leaves, self._structure = jax.tree.flatten(state)
        if any(not _is_plain(leaf) for leaf in leaves):
            raise UserError(f"{PREFIX}{self.rule} keeps state that is no array of numbers; choose another rule")
        self._state = [
            self.add_variable(
                np.shape(leaf), functools.partial(_constant, np.asarray(leaf)), str(leaf.dtype), name=f"s{i}"
            )
            for i, leaf in enumerate(map(jnp.asarray, leaves))
        ]

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        if len(trainable_variables) != len(self._trainable_variables):
            raise UserError(f"{PREFIX}{self.rule} needs a gradient for every weight that it was built for")
        weights = [ops.convert_to_tensor(variable) for variable in trainable_variables]
        grads = [ops.cast(gradient, weight.dtype) for gradient, weight in zip(grads, weights, strict=True)]
        if self.coupled_decay:
            grads = [gradient + self.coupled_decay * weight for gradient, weight in zip(grads, weights, strict=True)]
        state = jax.tree.unflatten(self._structure, [ops.convert_to_tensor(variable) for variable in self._state])
        rate = ops.convert_to_tensor(learning_rate)
        updates, state = self._transformation(rate).update(grads, state, weights)
        for variable, update in zip(trainable_variables, updates, strict=True):
            self.assign_add(variable, ops.cast(update, variable.dtype) * self.rate_factor(variable))
        for variable, value in zip(self._state, jax.tree.leaves(state), strict=True):
            variable.assign(ops.cast(value, variable.dtype))

    def _transformation(self, learning_rate: Any) -> Any:
        try:
            found = self._function(learning_rate=learning_rate, **self.options)
        except (TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            given = ",".join(f"{key}={value}" for key, value in self.options.items())
            raise UserError(f"{PREFIX}{self.rule} does not take the options {given!r} ({reason})") from None
        return found


def names() -> list[str]:
    """Return the functions of `optax` and `optax.contrib` that take a learning rate, in alphabetical order."""
    import optax
    import optax.contrib

    found = {
        name
        for module in (optax, optax.contrib)
        for name, value in vars(module).items()
        if inspect.isfunction(value) and not name.startswith(("_", "scale_by_")) and _takes_a_rate(value)
    }
    return sorted(found - LEFT_OUT)


def function(rule: str) -> Callable[..., Any]:
    """Return the function of a name.

    Raises:
        UserError: optax has none of this name that takes a learning rate.
    """
    import optax
    import optax.contrib

    if rule not in (known := names()):
        raise unknown("rule of optax", rule, known)
    return getattr(optax, rule, None) or getattr(optax.contrib, rule)


def _takes_a_rate(value: Callable[..., Any]) -> bool:
    parameters = inspect.signature(value).parameters
    needed = [name for name, one in parameters.items() if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    return "learning_rate" in parameters and set(needed) <= {"learning_rate"}


def _is_plain(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and isinstance(leaf.dtype, np.dtype)


def _constant(value: np.ndarray, shape: Any, dtype: Any = None) -> Any:
    del shape
    return jnp.asarray(value, dtype)
