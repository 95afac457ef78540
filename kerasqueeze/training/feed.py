"""Photos that stay on the device, and several steps a dispatch: what keeps an accelerator from waiting for the host.

With the ordinary feed the host gathers each batch of pixels and copies it to the device, and Python starts each step.
(Keras' own `steps_per_execution` changes nothing about that: on JAX it is a Python loop around the same jitted step.)
With the device feed all pixels are copied once. A step is then given the rows of its photos and their labels, 8 bytes a
photo, and gathers the pixels itself, in front of augmentation; `lax.scan` takes `STEPS` steps in one jitted call.
Batches, their order and all random draws are the same; the numbers are so up to
rounding.

Tested on the CPU, where `feed="device"` forces it. It has not been run on a GPU or a TPU, and no gain was measured.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax

from kerasqueeze.data.splits import Split
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.models.fast import compiled

FEEDS = ("auto", "host", "device")
STEPS = 8
"""Steps in one dispatch of the device feed. The compiled program is as large for any number; a signal, or a state that
is due to be saved, waits for the steps of its dispatch, and those left over at an epoch's end are taken one by one."""
SHARE = 0.5
"""How much of the device's free memory the photos may take; the rest is for weights, moments and maps."""
PIECE = 512
"""Photos that are copied to the device at a time, so that the host never holds all of them."""


class Feed:
    """How training gets the photos of its training and validation splits.

    Args:
        kind: One of `FEEDS`. "host" gathers each batch on the host. "device" keeps the photos on the device and takes
            several steps a dispatch. "auto" is "device" on an accelerator whose free memory is known and of which they
            take no more than `SHARE`, else "host": on the CPU the photos are in its memory anyway.
        train: Training photos.
        validation: Validation photos.

    Attributes:
        train: What to give to `Batches` for training: the split itself, or one whose images are rows of `photos`.
        validation: The same for validation.
        steps: Steps a dispatch.

    Raises:
        UserError: `kind` is unknown, or "device" and the photos do not fit.
    """

    def __init__(self, kind: str, train: Split, validation: Split):
        if kind not in FEEDS:
            raise unknown("feed", kind, FEEDS)
        self.kind = kind
        self.on_device = _is_for_device(kind, (train, validation))
        self.steps = STEPS if self.on_device else 1
        self.train, self.validation = train, validation
        if self.on_device:
            self._splits = train, validation
            self.train, self.validation = _rows(train, 0), _rows(validation, len(train))

    def about(self) -> dict[str, Any]:
        """Return what a record says of the feed."""
        return {"feed": "device" if self.on_device else "host", "steps_per_dispatch": self.steps}

    @cached_property
    def photos(self) -> jax.Array:
        """The device feed's photos, uint8 (N, S, S, 3), or features, those of training first; copied once."""
        images = self._splits[0].images
        whole = jnp.zeros((sum(map(len, self._splits)), *images.shape[1:]), images.dtype)
        put = jax.jit(lambda whole, part, at: lax.dynamic_update_slice_in_dim(whole, part, at, 0), donate_argnums=0)
        at = 0
        for split in self._splits:
            for first in range(0, len(split), PIECE):
                part, _ = split.batch(np.arange(first, min(first + PIECE, len(split))))
                whole, at = put(whole, part, at), at + len(part)
        return whole

    @contextmanager
    def into(self, model: keras.Model, batch_size: int) -> Iterator[None]:
        """While the block runs, let `model.fit` and `model.evaluate` take batches of this feed's splits.

        Args:
            model: Compiled, with `jit_compile=True` and without `keras.distribution`; uint8 pixels (N, S, S, 3) in.
            batch_size: Photos a training step.
        """
        if not self.on_device:
            yield
            return
        # Keras builds metrics and loss from the first batch it sees, which would be rows for pixels.
        model._symbolic_build(data_batch=self._splits[0].batch(np.arange(batch_size)))
        names = ("steps_per_execution", "train_function", "test_function")
        before = {name: getattr(model, name) for name in names}
        model.steps_per_execution = self.steps  # Keras then counts its steps right
        model.train_function = _function(model, model.train_step, self.photos, self.steps)  # Keras keeps what is there
        model.test_function = _function(model, model.test_step, self.photos, self.steps)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(model, name, value)


def _function(model: keras.Model, step: Callable[..., Any], photos: jax.Array, steps: int) -> Callable[..., Any]:
    """Return what takes the place of a Keras model's `train_function` or `test_function`.

    Called with the state and an iterator over (rows, labels), it takes as many steps, up to `steps`, as that holds
    batches. The photos are an argument of the jitted functions: a constant would become part of the program.

    Args:
        model: The model.
        step: Its `train_step` or `test_step`.
        photos: uint8 (N, S, S, 3).
        steps: Steps a dispatch.
    """

    def one(state, photos, batch):
        rows, labels = batch
        return step(state, (photos.at[rows].get(mode="promise_in_bounds"), labels))

    def several(state, photos, batches):
        def body(state, batch):
            logs, state = one(state, photos, batch)
            return state, logs

        stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *batches)
        state, logs = lax.scan(body, state, stacked)
        return jax.tree.map(lambda values: values[-1], logs), state

    jit = partial(jax.jit, donate_argnums=0, compiler_options=compiled.options(model))
    one_jitted, several_jitted = jit(one), jit(several)

    def function(state, iterator):
        batches = [next(iterator), *islice(iterator, steps - 1)]
        if len(batches) == steps and len({len(labels) for _, labels in batches}) == 1:
            return several_jitted(state, photos, batches)
        logs = {}
        for batch in batches:
            logs, state = one_jitted(state, photos, batch)
        return logs, state

    return function


def _rows(split: Split, first: int) -> Split:
    """Return a split with the same labels whose images are int32 rows (N,), counted from `first`."""
    return replace(split, images=np.arange(first, first + len(split), dtype=np.int32), indices=np.arange(len(split)))


def _is_for_device(kind: str, splits: tuple[Split, ...]) -> bool:
    if kind == "host" or (kind == "auto" and jax.default_backend() == "cpu"):
        return False
    if keras.distribution.distribution() is not None:
        if kind == "device":
            raise UserError("feed='device' keeps the photos on one device; use 'host' with keras.distribution")
        return False
    needed = sum(len(split) * int(np.prod(split.images.shape[1:])) * split.images.dtype.itemsize for split in splits)
    free = free_bytes()
    if free is None:
        return kind == "device"
    if needed <= SHARE * free:
        return True
    if kind == "device":
        raise UserError(
            f"feed='device' has to keep {needed / 1e9:.3g} GB of photos where {SHARE * free / 1e9:.3g} GB are to spare "
            "(half of what is free on the device); use --feed host or a smaller --image-size"
        )
    return False


def free_bytes() -> int | None:
    """Return the free memory of the first device, None if it does not tell."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats["bytes_limit"] - stats.get("bytes_in_use", 0) if "bytes_limit" in stats else None
