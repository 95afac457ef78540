"""Show how far training is."""

import sys
import time
from typing import Any, TextIO

import keras


class Progress(keras.callbacks.Callback):
    """Show a line for the first step, one for each epoch and, on a terminal, where in the epoch the run is and how long
    the rest may take.

    Args:
        label: What is trained, at the head of each line.
        stream: Where the lines go; standard error if None.
    """

    async_safe = True  # Keras may call the batch hook from a thread; then no step waits for a line to be written

    def __init__(self, label: str, stream: TextIO | None = None):
        super().__init__()
        self.label = label
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._made = time.perf_counter()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock of the run."""
        self._began, self._epochs_done, self._shown, self._first = time.perf_counter(), 0, 0.0, True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock of the epoch."""
        self._epoch, self._epoch_began = epoch, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell of the first step, which Keras has waited for; update the live line, at most four times a second."""
        now = time.perf_counter()
        if self._first:
            self._first = False
            self.stream.write(f"{self.label}  first step after {now - self._made:.1f} s\n")
            self.stream.flush()
        if self.live and now - self._shown > 0.25:
            self._shown = now
            steps = self.params["steps"]
            done = min(batch + 1, steps)  # with several steps a dispatch Keras counts the last one's as if it were full
            left = (now - self._epoch_began) / done * (steps - done)
            self.stream.write(f"\r{self._head()}  step {done}/{steps}  {clock(left)} left\x1b[K")
            self.stream.flush()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the epoch's line."""
        logs = logs or {}
        self._epochs_done += 1
        now = time.perf_counter()
        left = (now - self._began) / self._epochs_done * (self.params["epochs"] - epoch - 1)
        self.stream.write(
            f"{chr(13) if self.live else ''}{self._head()}  loss {logs['loss']:.4f}  validation: loss "
            f"{logs['val_loss']:.4f}  accuracy {logs['val_accuracy']:.4f}  {now - self._epoch_began:.0f} s, "
            f"at most {clock(left)} left{chr(27) + '[K' if self.live else ''}\n"
        )
        self.stream.flush()

    def _head(self) -> str:
        return f"{self.label}  epoch {self._epoch + 1}/{self.params['epochs']}"


def clock(seconds: float) -> str:
    """Return a duration as `m:ss`, or `h:mm:ss` from an hour up."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
