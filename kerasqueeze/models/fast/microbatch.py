"""A training step that works through its batch in micro-batches, so that a network's maps stay in the CPU's cache."""

import inspect
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import lax
from keras import layers, losses

from kerasqueeze.models.fast.compiled import CompiledModel
from kerasqueeze.models.fast.plan import chain
from kerasqueeze.models.fast.settings import ANY, changed, is_plain
from kerasqueeze.models.registered import registered

MEANS = (
    losses.SparseCategoricalCrossentropy,
    losses.CategoricalCrossentropy,
    losses.BinaryCrossentropy,
    losses.MeanSquaredError,
    losses.MeanAbsoluteError,
)
"""Losses that are the mean of the images' own losses; other classes say so with an attribute `mean_over_images`."""

FUNCTIONS = (
    losses.sparse_categorical_crossentropy,
    losses.categorical_crossentropy,
    losses.binary_crossentropy,
    losses.mean_squared_error,
    losses.mean_absolute_error,
)
"""The same as functions, of which `compile` takes the mean."""

PER_IMAGE = {
    layers.Activation: ("activation",),
    layers.Dense: ("units", "activation", "use_bias"),
    layers.Dropout: ("rate", "seed"),
    layers.Flatten: (),
    layers.GlobalAveragePooling2D: ("keepdims",),
    layers.GlobalMaxPooling2D: ("keepdims",),
    layers.ReLU: ("max_value", "negative_slope", "threshold"),
    layers.Softmax: (),
}
"""Layers that compute each image by itself and may follow the network, with the settings that leave it so."""

ACTIVATIONS = tuple(value for value in vars(keras.activations).values() if inspect.isfunction(value))
"""Keras' own, which work on single numbers or along the last axis."""


@registered
class MicroBatchModel(CompiledModel):
    """A functional model whose `fit` computes a batch's gradient from micro-batches, within one step.

    It is a chain of layers, one of them a network that tells how many images it computes best at a time, a
    `LoweredModel`. Layers without weights in front of it (augmentation) see the whole batch. The step is the usual one:
    loss and gradient are means over the micro-batches, weighted by their sizes, and the metrics see the whole batch.
    Only dropout draws other numbers than for a batch in one piece; they depend on the seed and the size alone.

    In all other cases the step is Keras' own: another graph, or a subclass; a network in its stock form; layers behind
    it that are not `PER_IMAGE` (batch normalisation's statistics are a whole batch's); losses that layers add; a loss
    not in `MEANS`; sample weights.
    """

    def train_step(self, state, data):
        """Take one optimizer step, as `keras.Model.train_step`."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        parts = self._parts()
        if parts is None or sample_weight is not None or not self._loss_is_a_mean(x, y):
            return super().train_step(state, data)
        trainable, non_trainable, optimizer, metrics = state
        front, network, back = parts
        images = keras.ops.convert_to_tensor(x, dtype=self.inputs[0].dtype)
        images, updated, added = self._run(front, trainable, non_trainable, images)
        best = network.micro_batch(images.shape)
        if added or best is None or best >= images.shape[0] or images.shape[0] != y.shape[0]:
            return super().train_step(state, data)

        def loss(trainable, non_trainable, images, y):
            predicted, non_trainable, _ = self._run((network, *back), trainable, non_trainable, images)
            value, (_, non_trainable, _) = self.stateless_compute_loss(
                trainable, non_trainable, metrics, x=images, y=y, y_pred=predicted, training=True
            )
            with keras.StatelessScope(list(zip(self.optimizer.variables, optimizer, strict=True))):
                return self.optimizer.scale_loss(value), (value, predicted, non_trainable)

        gradient = jax.value_and_grad(loss, has_aux=True)

        def add(carry, data):
            gradients, value, non_trainable = carry
            (_, (new_value, predicted, non_trainable)), new = gradient(trainable, non_trainable, *data)
            share = data[0].shape[0] / images.shape[0]
            gradients = jax.tree.map(lambda total, part: total + share * part, gradients, new)
            return (gradients, value + share * new_value, non_trainable), predicted

        start = jax.tree.map(jnp.zeros_like, trainable), 0.0, updated
        (gradients, value, non_trainable), predicted = _scan(add, start, (images, jnp.asarray(y)), best)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        logs, metrics = self._update_metrics_variables(metrics, value, x, y, predicted, None)
        return logs, (trainable, non_trainable, optimizer, metrics)

    def micro_batch(self, shape: Sequence[Any]) -> int | None:
        """Return how many images of a batch (N, H, W, C) are best computed at a time; None if all of them."""
        del shape
        return None

    def has_fast_form(self) -> bool:
        """Tell whether it has a network, and that one a fast form."""
        parts = self._parts()
        return parts is not None and parts[1] is not self and parts[1].has_fast_form()

    def _parts(self) -> tuple[list[Any], "MicroBatchModel", list[Any]] | None:
        """Return the layers before the network, the network, and the layers after it; None if there is none."""
        found = chain(self) if is_plain_model(self, MicroBatchModel) else None
        if found is None:
            return None
        first = next((i for i, layer in enumerate(found) if layer.weights), None)
        if first is None or not isinstance(found[first], MicroBatchModel):
            return None
        front, network, back = found[:first], found[first], found[first + 1 :]
        return (front, network, back) if all(map(is_per_image, back)) else None

    def _loss_is_a_mean(self, x, y) -> bool:
        """Tell whether the loss of a batch is the mean over the losses of its images, for one input and one output."""
        if keras.tree.is_nested(self.loss) or not self.loss:
            return False
        if any(keras.tree.is_nested(part) or part is None for part in (x, y)):
            return False
        return _is_mean(losses.get(self.loss))

    def _run(self, layers: Sequence[Any], trainable, non_trainable, x):
        """Run layers one after another for training.

        Returns:
            The result, the non-trainable variables after it, and the losses that the layers have added.
        """
        variables = [*zip(self.trainable_variables, trainable, strict=True)]
        variables += zip(self.non_trainable_variables, non_trainable, strict=True)
        with keras.StatelessScope(variables, collect_losses=True) as scope:
            for layer in layers:
                x = run(layer, x, training=True)
        return x, [scope.get_current_value(variable) for variable in self.non_trainable_variables], scope.losses


def is_plain_model(model: keras.Model, kind: type) -> bool:
    """Tell whether a model is a `kind` itself, adds no penalty on its outputs, and none of its methods was replaced."""
    if type(model) is not kind or model.activity_regularizer is not None:
        return False
    replaced = {name for name in vars(model) if callable(getattr(kind, name, None))} - {"build", "quantize"}
    return not replaced  # those two Keras wraps itself


def is_per_image(layer) -> bool:
    """Tell whether a layer computes each image by itself, and adds no loss."""
    free = dict.fromkeys(PER_IMAGE.get(type(layer), ()), ANY)
    if type(layer) not in PER_IMAGE or not is_plain(layer, type(layer), **free):
        return False
    return "activation" not in free or any(layer.activation is function for function in ACTIVATIONS)


def _is_mean(loss) -> bool:
    """Tell whether a loss function, or an object, takes the mean over what it finds for each image."""
    if inspect.isfunction(loss):
        return loss in FUNCTIONS
    if loss.reduction not in ("sum_over_batch_size", "mean", "mean_with_sample_weight") or "call" in vars(loss):
        return False
    if type(loss) not in MEANS:
        return vars(type(loss)).get("mean_over_images", False)  # not inherited: a subclass may do as it likes
    new = vars(type(loss)())
    arguments = new["_fn_kwargs"]
    free = {name: ANY for name in ("from_logits", "label_smoothing") if name in arguments}
    named = dict.fromkeys(("name", "reduction", "_dtype", "_dtype_policy", "_fn_kwargs"), ANY)
    return not changed(vars(loss), new | named | free) and not changed(loss._fn_kwargs, arguments | free)


def run(layer, x, training: bool):
    """Call a layer, with `training` if it takes that."""
    if "training" in inspect.signature(layer.call).parameters:
        return layer(x, training=training)
    return layer(x)


def _scan(step, carry, batch: tuple[jax.Array, ...], best: int):
    """Run `step` over micro-batches as `lax.scan` does; its outputs are joined along their first axis.

    The size is `best` or less: at least half of it if that divides the batch, for a remainder is compiled as well.
    """
    count = batch[0].shape[0]
    size = next((size for size in range(best, best // 2, -1) if count % size == 0), best)
    whole = count - count % size
    pieces = [array[:whole].reshape(-1, size, *array.shape[1:]) for array in batch]
    carry, outputs = lax.scan(step, carry, tuple(pieces))
    outputs = outputs.reshape(whole, *outputs.shape[2:])
    if whole < count:
        carry, last = step(carry, tuple(array[whole:] for array in batch))
        outputs = jnp.concatenate([outputs, last])
    return carry, outputs
