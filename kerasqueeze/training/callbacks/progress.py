"""Show how far training is."""

import time
from typing import Any, TextIO

import keras

from kerasqueeze import progress


class Progress(keras.callbacks.Callback):
    """Show a line for the first step, one for each epoch and, on a terminal, a bar of the epoch's steps.

    Args:
        label: What is trained, at the head of each line.
        stream: Where the lines go; standard error if None.
    """

    async_safe = True  # Keras may call the batch hook from a thread; then no step waits for a line to be written

    def __init__(self, label: str, stream: TextIO | None = None):
        super().__init__()
        self.label, self.stream = label, stream
        self._made = time.perf_counter()
        self._bar: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock of the run."""
        self._began, self._epochs_done, self._first = time.perf_counter(), 0, True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock of the epoch, and its bar."""
        self._epoch_began = time.perf_counter()
        self._epoch = f"epoch {epoch + 1}/{self.params['epochs']}"
        steps = self.params["steps"]
        self._bar = progress.bar(f"{self.label}  {self._epoch}", self._epoch, steps, "step", self.stream)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell of the first step, which Keras has waited for; move the bar."""
        if self._first:
            self._first = False
            progress.say(f"{self.label}  first step after {time.perf_counter() - self._made:.1f} s", self.stream)
        bar = self._bar
        if bar is not None:  # with several steps a dispatch Keras counts the last one's as if it were full
            bar.update(min(batch + 1, self.params["steps"]) - bar.n)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the epoch's line in place of the bar."""
        logs = logs or {}
        self.close()
        self._epochs_done += 1
        now = time.perf_counter()
        left = (now - self._began) / self._epochs_done * (self.params["epochs"] - epoch - 1)
        progress.say(
            f"{self.label}  {self._epoch}  loss {logs['loss']:.4f}  validation: loss {logs['val_loss']:.4f}  "
            f"accuracy {logs['val_accuracy']:.4f}  {now - self._epoch_began:.0f} s, "
            f"at most {progress.clock(left)} left",
            self.stream,
        )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Take away the bar of an epoch that was not finished."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
