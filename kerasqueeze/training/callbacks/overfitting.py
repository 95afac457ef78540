"""Stop when the network learns the training photos by heart."""

import math
from typing import Any

import keras


class StopAtOverfitting(keras.callbacks.Callback):
    """Stop when the network learns the training photos by heart, and bring the best weights back.

    An epoch counts as overfitting when the validation loss is above its lowest value so far while the training loss
    is below its own. After `patience` such epochs without a new lowest validation loss, training stops; epochs in
    which the training loss does not fall either (a plateau, a noisy step) are not counted. A loss that is no longer a
    finite number stops training at once. When training ends, for whatever reason, the weights of the epoch with the
    lowest validation loss are restored, unless the last are to be kept.

    A training may have phases, each a `fit` of its own: `begin_phase` lets the next one be judged by itself, while the
    best epoch is that of all.

    Args:
        patience: See above.
        keep: "best" or "last".
        network: Whose weights are kept; the model that is fitted if None.

    Attributes:
        best_epoch: Epoch of the lowest validation loss, counted from 1; 0 before there is one.
        best_loss: That loss.
        outcome: `"overfitting"`, `"diverged"` or `"ran all epochs"`.
        reason: The outcome in a sentence, with its figures.
    """

    _PLAIN = ("best_epoch", "best_loss", "outcome", "reason", "_lowest_train_loss", "_overfitting_epochs")
    _OF_PHASE = ("_lowest_val_loss", "_lowest_val_epoch")

    def __init__(self, patience: int, keep: str = "best", network: Any = None):
        super().__init__()
        self.patience, self.keep, self.network = patience, keep, network

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier run."""
        self.best_epoch, self.best_loss = 0, math.inf
        self._best_weights: list[Any] | None = None
        self.begin_phase()

    def begin_phase(self) -> None:
        """Judge what follows by itself; the best epoch and its weights stay."""
        self.outcome, self.reason = "ran all epochs", ""
        self._lowest_train_loss, self._overfitting_epochs = math.inf, 0
        self._lowest_val_loss, self._lowest_val_epoch = math.inf, 0

    def state_dict(self) -> dict[str, Any]:
        """Return all that decides what happens next, but the best weights, as plain values."""
        return {key: getattr(self, key) for key in (*self._PLAIN, *self._OF_PHASE)}

    def best_weights(self) -> list[Any]:
        """Return the weights of the lowest validation loss, none before there is one."""
        return self._best_weights or []

    def restore_state(self, state: dict[str, Any], best_weights: list[Any]) -> None:
        """Go on from what `state_dict` and `best_weights` gave."""
        for key in (*self._PLAIN, *self._OF_PHASE):
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
        elif val_loss < self._lowest_val_loss:
            self._lowest_val_loss, self._lowest_val_epoch, self._overfitting_epochs = val_loss, epoch + 1, 0
            if val_loss < self.best_loss:
                self.best_epoch, self.best_loss = epoch + 1, val_loss
                self._best_weights = self._kept().get_weights()
        elif still_falling:
            self._overfitting_epochs += 1
            if self._overfitting_epochs >= self.patience:
                self._stop(
                    "overfitting",
                    f"validation loss {val_loss:.4f} at epoch {epoch + 1} is above its lowest, "
                    f"{self._lowest_val_loss:.4f} at epoch {self._lowest_val_epoch}, for {self.patience} epochs in "
                    "which the training loss still fell",
                )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Bring the best weights back."""
        if self._best_weights is not None and self.keep == "best":
            self._kept().set_weights(self._best_weights)
        if not self.reason:
            self.reason = f"lowest validation loss {self.best_loss:.4f} at epoch {self.best_epoch}"

    def _kept(self) -> Any:
        model = self.model  # asking for it makes Keras write the training's state back to all variables
        return model if self.network is None else self.network

    def _stop(self, outcome: str, reason: str) -> None:
        self.outcome, self.reason = outcome, reason
        self.model.stop_training = True
