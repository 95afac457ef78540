"""Derivatives of the fast form: in reverse mode and of these, and in forward mode a line that names the way out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fast_models import float64, images, lowering, small

from kerasqueeze.errors import UserError
from kerasqueeze.models.fast.by_layer import ByLayerModel
from kerasqueeze.models.fast.switch import is_fast
from kerasqueeze.models.layers import max_pool_by_slices

pytestmark = [
    pytest.mark.skipif(not is_fast(), reason="the fast form is for the CPU"),
    pytest.mark.usefixtures("quick_compilation"),
]


def scaled(model, training=False):
    """A function of one number, by which all weights are multiplied."""
    start = [variable.value for variable in model.trainable_variables]
    fixed = [variable.value for variable in model.non_trainable_variables]
    pixels = jnp.asarray(images(1, 40), start[0].dtype)

    def function(factor):
        variables = [factor * value for value in start]
        return (model.stateless_call(variables, fixed, pixels, training=training)[0] ** 2).sum()

    return function


FORWARD = {
    "jvp": lambda f: jax.jvp(f, (1.0,), (1.0,)),
    "jvp of jit": lambda f: jax.jvp(jax.jit(f), (1.0,), (1.0,)),
    "jit of jvp": lambda f: jax.jit(lambda x: jax.jvp(f, (x,), (1.0,)))(1.0),
    "jacfwd": lambda f: jax.jacfwd(f)(1.0),
    "linearize": lambda f: jax.linearize(f, 1.0)[1](1.0),
    "jacrev of jacfwd": lambda f: jax.jacrev(jax.jacfwd(f))(1.0),
}


@pytest.mark.parametrize("mode", FORWARD)
def test_forward_mode_is_refused_in_one_line(mode):
    network = small(activation=None, pools=(False,), sides=(40, 40))
    with pytest.raises(UserError, match=r"set_lowering\('stock'\)") as error:
        FORWARD[mode](scaled(network, True))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"set_lowering\('stock'\)"):  # among what Keras says of the layer
        FORWARD[mode](scaled(ByLayerModel(network.input, network.output)))


def test_a_pool_by_itself_refuses_it_too():
    with pytest.raises(UserError, match=r"set_lowering\('stock'\)"):
        jax.jvp(max_pool_by_slices, (jnp.zeros((1, 3, 3, 1)),), (jnp.ones((1, 3, 3, 1)),))


def test_the_way_out_works_and_second_derivatives_need_none():
    with float64():
        function = scaled(small(activation=None, pools=(False,), sides=(40, 40)))
        fast = {
            "gradient": jax.jit(jax.grad(function))(1.0),
            "hessian": jax.jit(jax.hessian(function))(1.0),
            "twice": jax.jit(jax.grad(jax.grad(function)))(1.0),
        }
        with lowering("stock"):
            _, gradient = jax.jit(lambda x: jax.jvp(function, (x,), (1.0,)))(1.0)
        step = 1e-3
        slopes = [float(jax.jit(jax.grad(function))(1.0 + sign * step)) for sign in (1, -1)]
    np.testing.assert_allclose(fast["gradient"], gradient, rtol=1e-6)  # Keras averages in float32
    np.testing.assert_allclose(fast["hessian"], (slopes[0] - slopes[1]) / (2 * step), rtol=1e-3)
    np.testing.assert_allclose(fast["twice"], fast["hessian"], rtol=1e-6)
