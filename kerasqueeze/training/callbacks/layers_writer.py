"""What the optimizer did to each block of layers, a row an epoch."""

from pathlib import Path
from typing import Any

import keras

from kerasqueeze import history
from kerasqueeze.training.optimizers.observed import Observed


class LayersWriter(keras.callbacks.Callback):
    """Write what an `Observed` optimizer saw, a row an epoch and block, to `CSV/<experiment>_layers.csv`.

    The file is written whole or not at all.

    Rows of other seeds and of this seed's earlier epochs are kept, so a resumed run goes on where it was; rows of this
    epoch and later ones are replaced. Where it stands among the callbacks does not matter.

    Args:
        path: The CSV file.
        seed: The seed whose rows these are.
    """

    def __init__(self, path: Path, seed: int):
        super().__init__()
        self.path, self.seed = path, seed

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuse a file of another make before any work is done."""
        if self.path.exists():
            history.read_layers(self.path)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin the epoch's sums."""
        self._optimizer().begin_epoch(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch's rows and write the file."""
        optimizer = self._optimizer()
        seen = {name: [float(f"{value:.6g}") for value in values] for name, values in optimizer.end_epoch().items()}
        history.replace_layers(self.path, self.seed, epoch + 1, {"block": optimizer.blocks, **seen})

    def _optimizer(self) -> Observed:
        optimizer = self.model.optimizer
        return getattr(optimizer, "inner_optimizer", optimizer)  # float16 puts a scaler of the loss around it
