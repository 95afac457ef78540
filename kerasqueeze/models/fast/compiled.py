"""How XLA compiles the steps of `fit`, `evaluate` and `predict`: with Eigen's matrix products, on the CPU.

XLA has two libraries for them there. The one that it prefers by now, YNNPACK, is slower in the shapes of SqueezeNet, in
training and inference alike: by about 8 % on one EPYC, by 2 to 5 % on a newer one (`OPTIONS` against none, in
turns, 128 and 224 px). For ResNet-50 it is the other way round, by far. The choice belongs to a compiled program, so it
is made for SqueezeNet's steps alone.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import keras

from kerasqueeze.models.fast.switch import is_fast

OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""No kind of operation for YNNPACK."""


def options(model: keras.Model) -> dict[str, str] | None:
    """Return the compiler options for a model's steps: `OPTIONS`, or None where XLA's own are to stand."""
    fast = is_fast() and jax.default_backend() == "cpu" and isinstance(model, CompiledModel) and model.has_fast_form()
    return dict(OPTIONS) if fast and _are_known() else None


@functools.cache
def _are_known() -> bool:
    """Tell whether this version of XLA knows `OPTIONS`; they are experimental, and older ones have no YNNPACK."""
    try:
        jax.jit(lambda: 0, compiler_options=OPTIONS).lower().compile()
    except (RuntimeError, ValueError):
        return False
    return True


class CompiledModel(keras.Model):
    """A model whose steps are Keras' own, compiled with `options(self)`.

    Attributes:
        jit: What compiles them in place of `jax.jit`, with the same arguments, or None.
    """

    jit: Callable[..., Any] | None = None

    def has_fast_form(self) -> bool:
        """Tell whether the steps spend their time in a network that has a fast form as a whole."""
        return False

    def make_train_function(self, force=False):
        """Prepare the step of `fit`."""
        if not self._makes("train_function", force):
            return super().make_train_function(force)
        self.train_function = self._compiled(self.train_step)

    def make_test_function(self, force=False):
        """Prepare the step of `evaluate`."""
        if not self._makes("test_function", force):
            return super().make_test_function(force)
        self.test_function = self._compiled(self.test_step)

    def make_predict_function(self, force=False):
        """Prepare the step of `predict`."""
        if not self._makes("predict_function", force):
            return super().make_predict_function(force)

        def predict_step(state, data):
            outputs, non_trainable_variables = self.predict_step(state, data)
            return outputs, (state[0], non_trainable_variables)

        self.predict_function = self._compiled(predict_step, concatenate_outputs=True)

    def _makes(self, name: str, force: bool) -> bool:
        """Tell whether a function is to be made here: there is none yet, and Keras would make it with `jax.jit`."""
        wanted = force or getattr(self, name) is None
        plain = self.jit_compile and not self.run_eagerly and not _is_nnx()
        return bool(wanted and plain and options(self))

    def _compiled(self, step: Callable[..., Any], **kwargs: Any) -> Callable[..., Any]:
        jitted = (self.jit or jax.jit)(step, donate_argnums=0, compiler_options=options(self))
        return self._make_function(jitted, **kwargs)


def _is_nnx() -> bool:
    """Tell whether Keras keeps its variables as those of Flax, which has a `jit` of its own."""
    return getattr(keras.config, "is_nnx_enabled", lambda: False)()
