"""Validate and keep a moving average of the weights."""

from typing import Any

import keras


class AveragedWeights(keras.callbacks.Callback):
    """Validate and keep the optimizer's moving average of the weights in place of the weights that its steps change.

    From the start of each validation to the end of the epoch the model has the average, so callbacks that keep or save
    weights at an epoch's end stand in front of this one, those that save the training's state behind it. It does
    nothing with an optimizer that keeps no average.

    `keras.callbacks.SwapEMAWeights` gives the steps' weights back when validation ends, before any callback could keep
    the average, or trains on with the two exchanged, which a saved state would have to know.
    """

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the average in."""
        self._exchange()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the steps' weights back."""
        self._exchange()

    def _exchange(self) -> None:
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)  # float16 wraps it
        if not optimizer.use_ema:
            return
        averages = optimizer._model_variables_moving_average  # no public name; Keras' own callback reads it as well
        for variable, average in zip(optimizer._trainable_variables, averages, strict=True):
            value = variable.value
            variable.assign(average.value)
            average.assign(value)
