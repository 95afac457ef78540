"""Traced steps kept on disk, so that a later run of the same experiment begins without tracing its steps again.

JAX keeps what XLA compiled, but to find it there it has to trace a step in Python first and to lower it, which takes a
quarter of the time from the shell prompt to the first step. Here the lowered step itself is kept, in the portable form
of `jax.export`. The name of its file is a hash of all that the trace depends on; the seed is not among that, since what
is drawn from it is an argument of the step. Every run takes its steps in this form, the one that traces them as well:
so all run the same program.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
from jax import export

from kerasqueeze.files import whole_file

DIGEST = hashlib.sha256().digest_size
KEPT = 128
"""Traces that are kept, those written last; an experiment has five or so."""


class Traces:
    """Gives steps as `jax.jit` does, from their traces in a folder.

    Args:
        folder: Where they are kept.
        made_from: All that decides what the steps compute beside their arguments' shapes, as JSON can say it: settings,
            the code's hash, versions.
    """

    def __init__(self, folder: Path, made_from: Mapping[str, Any]):
        self._folder, self._made_from = folder, dict(made_from)

    def jit(self, step: Callable[..., Any], **kwargs: Any) -> Callable[..., Any]:
        """Return what `jax.jit(step, **kwargs)` would, for a step of (state, data).

        Args:
            step: Its name tells it from the other steps of the same settings. State and data are trees of arrays, and
                the state's shapes are the same in every call.
            **kwargs: Of `jax.jit`.
        """
        ready: dict[tuple[Any, ...], Callable[..., Any]] = {}
        # Said once and for all: else a state that a callback has set would be compiled for apart from a returned one.
        device = jax.sharding.SingleDeviceSharding(jax.devices()[0])

        def call(state, data):
            shapes = tuple((array.shape, array.dtype) for array in jax.tree.leaves(data))
            if shapes not in ready:
                exported = self._exported(step, kwargs, (state, data))
                ready[shapes] = jax.jit(exported.call, in_shardings=device, out_shardings=device, **kwargs)
            return ready[shapes](state, data)

        return call

    def _exported(self, step: Callable[..., Any], kwargs: dict[str, Any], arguments: Any) -> export.Exported:
        """Return the step's trace for arguments of these shapes, from its file if there is one."""
        shapes = jax.tree.map(
            lambda array: jax.ShapeDtypeStruct(array.shape, jax.dtypes.canonicalize_dtype(array.dtype)), arguments
        )
        about = [self._made_from, step.__name__, kwargs, str(jax.tree.structure(shapes)), _settings()]
        about.append([(leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves(shapes)])
        name = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()
        path = self._folder / f"{step.__name__}-{name[:32]}"
        kept = _read(path)
        if kept is not None:
            return export.deserialize(kept)
        exported = export.export(jax.jit(step))(*shapes)
        _write(path, exported.serialize())
        return exported


def _settings() -> list[Any]:
    """Return JAX' and Keras' settings, as far as they can change a trace, and what it computes on."""
    of_jax = {name: str(value) for name, value in jax.config.values.items() if "cache" not in name}
    of_keras = [keras.config.floatx(), keras.config.epsilon(), keras.config.dtype_policy().name]
    return [of_jax, of_keras, jax.__version__, jax.default_backend(), np.__version__]


def _read(path: Path) -> bytearray | None:
    """Return what `_write` wrote, or None if the file is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, trace = content[:DIGEST], content[DIGEST:]
    return bytearray(trace) if hashlib.sha256(trace).digest() == digest else None


def _write(path: Path, trace: bytearray) -> None:
    try:
        with whole_file(path) as part:
            part.write_bytes(hashlib.sha256(trace).digest() + trace)
        traces = sorted(path.parent.glob("*_step-*"), key=lambda trace: trace.stat().st_mtime, reverse=True)
        for old in traces[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError:  # a cache that cannot be written is no reason not to run
        pass
