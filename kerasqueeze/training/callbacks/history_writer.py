"""Write the history as training goes on."""

import time
from pathlib import Path
from typing import Any

import keras

from kerasqueeze import history


class HistoryWriter(keras.callbacks.Callback):
    """Write one row an epoch to the experiment's CSV, whole or not at all; rows of other seeds are kept.

    The logs must hold what `ConfusionMetrics` gives.

    Args:
        path: The CSV file.
        seed: The seed whose rows these are; rows it had before are replaced.
        photos: Training photos an epoch, for images per second.

    Attributes:
        phase: The phase that is running, from 1; whoever begins one sets it.
    """

    def __init__(self, path: Path, seed: int, photos: int):
        super().__init__()
        self.path, self.seed, self.photos, self.phase = path, seed, photos, 1

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier run."""
        self._rows: list[dict[str, float]] = []

    def rows(self) -> list[dict[str, float]]:
        """Return the rows so far."""
        return self._rows

    def restore_rows(self, rows: list[dict[str, float]]) -> None:
        """Go on after these rows; what the file has beyond them is replaced."""
        self._rows = list(rows)

    def seconds_so_far(self) -> float:
        """Return how long the epoch that is running has taken."""
        return time.perf_counter() - self._began

    def add_seconds(self, seconds: float) -> None:
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
            "phase": self.phase,
            "loss_train": logs["loss"],
            "accuracy_train": logs["accuracy"],
            **{name: logs["val_" + name.removesuffix("_val")] for name in history.VAL_METRICS},
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "seconds": round(now - self._began, 3),
            "images_per_second": round(self.photos / ((self._trained or now) - self._began), 2),
        }
        self._rows.append(row)
        history.replace_rows(self.path, self.seed, self._rows)
