"""The one switch between the fast and the stock computation."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import keras

from kerasqueeze.errors import unknown

LOWERINGS = ("auto", "fast", "stock")

_chosen = "auto"


def set_lowering(lowering: str) -> None:
    """Choose how SqueezeNet is computed from now on.

    What Keras has traced by then (`fit`, `predict` and `evaluate` after their first step) stays as it is until the
    model is compiled again.

    Args:
        lowering: "auto" for the fast form on the CPU and the stock layers elsewhere, "fast" for the fast form on any
            device, "stock" for the layers as Keras computes them. Networks without a fast form (changed layers, mixed
            precision) are computed by their layers in any case.

    Raises:
        UserError: `lowering` is none of the three.
    """
    global _chosen
    if lowering not in LOWERINGS:
        raise unknown("lowering", lowering, LOWERINGS)
    _chosen = lowering


@contextmanager
def stock() -> Iterator[None]:
    """Within the block networks are computed by their layers, as Keras does it."""
    before = _chosen
    set_lowering("stock")
    try:
        yield
    finally:
        set_lowering(before)


def is_fast() -> bool:
    """Tell whether networks that have a fast form are to be computed in it, on the default device."""
    if keras.distribution.distribution() is not None:  # the layers know how to be spread over devices
        return False
    return _chosen == "fast" or (_chosen == "auto" and jax.default_backend() == "cpu")
