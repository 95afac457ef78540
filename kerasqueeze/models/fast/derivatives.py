"""Which derivatives the fast form has: those in reverse mode, and whatever is asked of these.

Its gradients are its own (`jax.custom_vjp`), and JAX cannot turn them round for `jax.jvp`, `jax.jacfwd` and
`jax.linearize`. It says so without naming the way out; what goes through `reverse_only` first, says it.
"""

from typing import TypeVar

import jax
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from kerasqueeze.errors import UserError

T = TypeVar("T")


def _refuse(*_, **__):
    raise UserError(
        "the fast form on the CPU has no forward-mode derivatives (jax.jvp, jax.jacfwd, jax.linearize): call "
        "kerasqueeze.models.fast.set_lowering('stock') first, or use reverse mode (jax.grad, jax.vjp, jax.jacrev)"
    )


# The tangents pass through an operation that can be transposed, as reverse mode does, but not carried out.
_tangent = Primitive("reverse_mode_only")
_tangent.def_impl(_refuse)
_tangent.def_abstract_eval(lambda x: x)
ad.deflinear2(_tangent, lambda cotangent, _: [cotangent])
batching.defvectorized(_tangent)
mlir.register_lowering(_tangent, _refuse)


def reverse_only(arrays: T) -> T:
    """Return the arrays of a tree as they are; forward-mode derivatives by them end in a `UserError`."""
    return _same(arrays)  # pyright: ignore[reportReturnType]


def _jvp(primals, tangents):
    def through(tangent):
        return tangent if isinstance(tangent, SymbolicZero) else _tangent.bind(tangent)

    return primals[0], jax.tree.map(through, tangents[0], is_leaf=lambda leaf: isinstance(leaf, SymbolicZero))


_same = jax.custom_jvp(lambda arrays: arrays)
_same.defjvp(_jvp, symbolic_zeros=True)
