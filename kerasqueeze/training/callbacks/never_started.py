"""Notice a run that never starts to learn."""

import math
from typing import Any, TextIO

import keras

from kerasqueeze import progress


class NeverStarted(keras.callbacks.Callback):
    """Notice a run whose loss stays at ln C, the loss of a network that gives every class the same probability.

    Args:
        classes: Number of classes C.
        margin: A run has started once a training or validation loss is this share below ln C.
        warn_after: Epochs after which a run that has not started is reported on `stream`.
        stream: Where the warning goes; standard error if None.

    Attributes:
        started: Whether the run has started.
    """

    def __init__(self, classes: int, margin: float = 0.01, warn_after: int = 3, stream: TextIO | None = None):
        super().__init__()
        self.chance_loss = math.log(classes)
        self.margin, self.warn_after, self.stream = margin, warn_after, stream

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier run."""
        self.started = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compare `loss` and `val_loss` with ln C."""
        logs = logs or {}
        below = (1.0 - self.margin) * self.chance_loss
        self.started = self.started or min(float(logs["loss"]), float(logs["val_loss"])) < below
        if not self.started and epoch + 1 == self.warn_after:
            progress.warn(
                f"the loss is still ln(classes) = {self.chance_loss:.4f} after {epoch + 1} epochs: the network has not "
                "started to learn; a longer warm-up or a lower --learning-rate usually helps",
                self.stream,
            )
