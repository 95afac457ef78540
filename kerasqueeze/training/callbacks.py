"""Stop at overfitting, notice a run that never starts, write the history, show progress."""

import math
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import keras

from kerasqueeze import history


class StopAtOverfitting(keras.callbacks.Callback):
    """Stop when the network learns the training photos by heart, and bring the best weights back.

    An epoch counts as overfitting when the validation loss is above its lowest value so far while the training loss
    is below its own. After `patience` such epochs without a new lowest validation loss, training stops; epochs in
    which the training loss does not fall either (a plateau, a noisy step) are not counted. A loss that is no longer a
    finite number stops training at once. When training ends, for whatever reason, the weights of the epoch with the
    lowest validation loss are restored.

    Attributes:
        best_epoch: Epoch of the lowest validation loss, counted from 1; 0 before there is one.
        best_loss: That loss.
        outcome: `"overfitting"`, `"diverged"` or `"ran all epochs"`.
        reason: The outcome in a sentence, with its figures.
    """

    _PLAIN = ("best_epoch", "best_loss", "outcome", "reason", "_lowest_train_loss", "_overfitting_epochs")

    def __init__(self, patience: int):
        super().__init__()
        self.patience = patience

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier run."""
        self.best_epoch, self.best_loss = 0, math.inf
        self.outcome, self.reason = "ran all epochs", ""
        self._lowest_train_loss, self._overfitting_epochs = math.inf, 0
        self._best_weights: list[Any] | None = None

    def state(self) -> dict[str, Any]:
        """Return all that decides what happens next, but the best weights, as plain values."""
        return {key: getattr(self, key) for key in self._PLAIN}

    def best_weights(self) -> list[Any]:
        """Return the weights of the lowest validation loss, none before there is one."""
        return self._best_weights or []

    def put_state(self, state: dict[str, Any], best_weights: list[Any]) -> None:
        """Go on from what `state` and `best_weights` gave."""
        for key in self._PLAIN:
            setattr(self, key, state[key])
        self._best_weights = best_weights or None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Judge the epoch by `loss` and `val_loss`."""
        logs = logs or {}
        train_loss, val_loss = float(logs["loss"]), float(logs["val_loss"])
        still_falling = train_loss < self._lowest_train_loss
        self._lowest_train_loss = min(train_loss, self._lowest_train_loss)
        if not (math.isfinite(train_loss) and math.isfinite(val_loss)):
            self._stop("diverged", f"loss {train_loss:g} in training, {val_loss:g} in validation, at epoch {epoch + 1}")
        elif val_loss < self.best_loss:
            self.best_epoch, self.best_loss, self._overfitting_epochs = epoch + 1, val_loss, 0
            self._best_weights = self.model.get_weights()
        elif still_falling:
            self._overfitting_epochs += 1
            if self._overfitting_epochs >= self.patience:
                self._stop(
                    "overfitting",
                    f"validation loss {val_loss:.4f} at epoch {epoch + 1} is above its lowest, {self.best_loss:.4f} at "
                    f"epoch {self.best_epoch}, for {self.patience} epochs in which the training loss still fell",
                )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Bring the best weights back."""
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)
        if not self.reason:
            self.reason = f"lowest validation loss {self.best_loss:.4f} at epoch {self.best_epoch}"

    def _stop(self, outcome: str, reason: str) -> None:
        self.outcome, self.reason = outcome, reason
        self.model.stop_training = True


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
            print(
                f"the loss is still ln(classes) = {self.chance_loss:.4f} after {epoch + 1} epochs: the network has not "
                "started to learn; a longer warm-up or a lower --learning-rate usually helps",
                file=self.stream or sys.stderr,
            )


class HistoryWriter(keras.callbacks.Callback):
    """Write one row an epoch to the experiment's CSV, whole or not at all; rows of other seeds are kept.

    The logs must hold what `ConfusionMetrics` gives.

    Args:
        path: The CSV file.
        seed: The seed whose rows these are; rows it had before are replaced.
        photos: Training photos an epoch, for images per second.
    """

    def __init__(self, path: Path, seed: int, photos: int):
        super().__init__()
        self.path, self.seed, self.photos = path, seed, photos

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier run."""
        self._rows: list[dict[str, float]] = []

    def rows(self) -> list[dict[str, float]]:
        """Return the rows so far."""
        return self._rows

    def put_rows(self, rows: list[dict[str, float]]) -> None:
        """Go on after these rows; what the file has beyond them is replaced."""
        self._rows = list(rows)

    def seconds_so_far(self) -> float:
        """Return how long the epoch that is running has taken."""
        return time.perf_counter() - self._began

    def went_before(self, seconds: float) -> None:
        """Count these seconds, from before a stop, to the epoch that begins."""
        self._began -= seconds

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._began, self._trained = time.perf_counter(), None

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Note when the training part of the epoch is over and validation begins."""
        keras.ops.convert_to_numpy(self.model.optimizer.iterations)  # waits: JAX runs ahead of its device
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch's row and write the file."""
        logs = logs or {}
        now = time.perf_counter()
        row: dict[str, float] = {
            "seed": self.seed,
            "epoch": epoch + 1,
            "loss_train": logs["loss"],
            "accuracy_train": logs["accuracy"],
            **{name: logs["val_" + name.removesuffix("_val")] for name in history.VAL_METRICS},
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "seconds": round(now - self._began, 3),
            "images_per_second": round(self.photos / ((self._trained or now) - self._began), 2),
        }
        self._rows.append(row)
        history.put_rows(self.path, self.seed, self._rows)


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
