"""Runs that can be stopped: the whole state of a training, saved, found again and restored."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from types import FrameType
from typing import Any

import keras
import numpy as np

from kerasqueeze import progress
from kerasqueeze.errors import Interrupted, UserError
from kerasqueeze.training.callbacks import HistoryWriter, NeverStarted, StopAtOverfitting
from kerasqueeze.training.states import Position, States

SAVE_EVERY = 600.0
"""Seconds after which a state is saved within an epoch."""


class Resume(keras.callbacks.Callback):
    """Restore a saved state when training begins; save one at each epoch's end, every ten minutes and on a signal.

    It has to stand behind the callbacks whose state it keeps, which forget theirs when training begins, and the feed
    has to begin with the epoch of `position`. The steps of a half-finished epoch that are done already are passed over:
    the model keeps its state, and the running metrics go on from where they were.

    What happens within an epoch is not done in Keras' hooks for batches: with those it would wait for each step's
    figures before it begins the next. It is done between the steps, around the model's own function.

    A training has one phase or more, each a `fit` of its own with the same callbacks, which forget theirs each time:
    what the phases before have left is put back as well.

    Args:
        states: Where states are saved.
        found: What `states.newest()` gave.
        stop: Its counters and best weights are kept.
        start: Whether training has started is kept.
        writer: Its rows are kept.
        network: The network of which the fitted model may be a part: its other weights are kept as well.

    Attributes:
        ended: What the record says of the phases that have ended; whoever ends one adds it.
    """

    def __init__(
        self,
        states: States,
        found: tuple[list[np.ndarray], dict[str, Any]] | None,
        stop: StopAtOverfitting,
        start: NeverStarted,
        writer: HistoryWriter,
        network: Any = None,
    ):
        super().__init__()
        self.states, self.found = states, found
        self.stop, self.start, self.writer, self.network = stop, start, writer, network
        self.signal: int | None = None
        self.phase, self.begins_at, self.steps_before = 1, 0, 0
        self.ended: list[dict[str, Any]] = [] if found is None else list(found[1].get("ended", []))
        self._left: tuple[list[np.ndarray], dict[str, Any]] | None = None

    @property
    def position(self) -> Position:
        """Where training begins: epochs that are done, and steps of the next one."""
        return (0, 0) if self.found is None else tuple(self.found[1]["position"])

    @property
    def is_over(self) -> bool:
        """Whether the found state is that of a training that has ended."""
        return self.found is not None and self.found[1]["over"]

    @property
    def found_phase(self) -> tuple[int, int, int]:
        """Where the phase that training begins in stands: its number from 1, its first epoch, the optimizer's steps."""
        told = {} if self.found is None else self.found[1]
        return told.get("phase", 1), told.get("begins_at", 0), told.get("steps_before", 0)

    def begin_phase(self, number: int, begins_at: int, steps_before: int) -> None:
        """Say which phase the next `fit` is: its number, the epochs and the optimizer's steps that lie before it."""
        self.phase, self.begins_at, self.steps_before = number, begins_at, steps_before
        if number != self.found_phase[0]:
            self.found = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the state back, all but the running metrics, which Keras sets to 0 when an epoch begins."""
        self._saved = time.monotonic()
        self._step, self.model.train_function = self.model.train_function, self._between_steps
        self._at_once = self.model.steps_per_execution  # between steps, to ask for the model would copy its state back
        self._others = self._not_fitted()
        if self.found is not None:
            arrays, told = self.found
            variables, metrics, others = self._variables(), self.model.metrics_variables, self._others
            if [tuple(one.shape) for one in (*variables, *others)] != [
                one.shape for one in arrays[: len(variables) + len(others)]
            ]:
                raise UserError(f"{self.states.folder} holds the state of another network; start over with --fresh")
            for variable, array in zip(variables[: len(variables) - len(metrics)], arrays, strict=False):
                variable.assign(array)
            for variable, array in zip(others, arrays[len(variables) :], strict=False):
                variable.assign(array)
            self._put_back(arrays[len(variables) + len(others) :], told)
        elif self._left is not None:
            self._put_back(*self._left)
            self.stop.begin_phase()

    def _put_back(self, best_weights: list[np.ndarray], told: dict[str, Any]) -> None:
        self.stop.restore_state(told["stop"], best_weights)
        self.start.started = told["started"]
        self.writer.restore_rows(told["rows"])

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """In the first epoch, put the running metrics back."""
        self._epoch, self._done, self._passed = epoch, 0, 0
        if self.found is not None and epoch == self.position[0]:
            arrays, told = self.found
            self._passed = self.position[1]
            if self._passed:
                count, metrics = len(self._variables()), self.model.metrics_variables
                for variable, array in zip(metrics, arrays[count - len(metrics) : count], strict=True):
                    variable.assign(array)
                self.writer.add_seconds(told["seconds"])

    def _between_steps(self, state: Any, iterator: Iterator[Any]) -> Any:
        """Take the place of the model's `train_function`, which takes `steps_per_execution` steps or what is left."""
        batches = [next(iterator), *islice(iterator, self._at_once - 1)]
        passed_over = min(len(batches), max(self._passed - self._done, 0))
        self._done += passed_over
        if passed_over == len(batches):
            return {}, state
        if self.signal is not None or time.monotonic() - self._saved > SAVE_EVERY:
            self._save([array for part in state for array in part], (self._epoch, self._done))
            self._leave(f"epoch {self._epoch + 1}, step {self._done}")
        logs, state = self._step(state, iter(batches[passed_over:]))
        self._done += len(batches) - passed_over
        return logs, state

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save."""
        over = self.model.stop_training or epoch + 1 == self.params["epochs"]
        self._save([variable.value for variable in self._variables()], (epoch + 1, 0), over=over)
        self._leave(f"the end of epoch {epoch + 1}")

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Give the model its own function back; note what the next phase goes on with."""
        self.model.train_function = self._step
        self._left = self.stop.best_weights(), self._told()

    def _save(self, state: list[Any], position: Position, over: bool = False) -> None:
        told = {"over": over, "seconds": self.writer.seconds_so_far(), **self._told()}
        arrays = [*state, *(variable.value for variable in self._others)]
        self.states.write(position, [*(np.array(array) for array in arrays), *self.stop.best_weights()], told)
        self._saved = time.monotonic()

    def _told(self) -> dict[str, Any]:
        return {
            "stop": self.stop.state_dict(),
            "started": self.start.started,
            "rows": list(self.writer.rows()),
            "phase": self.phase,
            "begins_at": self.begins_at,
            "steps_before": self.steps_before,
            "ended": list(self.ended),
        }

    def _leave(self, where: str) -> None:
        if self.signal is not None:
            raise Interrupted(self.signal, f"stopped at {where}; the same command goes on from there")

    def _variables(self) -> list[Any]:
        model = self.model
        network = [*model.trainable_variables, *model.non_trainable_variables]
        return [*network, *model.optimizer.variables, *model.metrics_variables]

    def _not_fitted(self) -> list[Any]:
        """Return the network's variables that are none of the fitted model's."""
        fitted = {id(variable) for variable in self._variables()}
        whole = () if self.network is None else self.network.variables
        return [variable for variable in whole if id(variable) not in fitted]

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While the block runs, SIGINT and SIGTERM save the state before they end the run; a second one ends it."""

        def note(number: int, frame: FrameType | None) -> None:
            if self.signal is not None:
                raise Interrupted(number, "stopped without saving; the same command goes on from the last saved state")
            self.signal = number
            progress.warn("\nstopping: saving the state first (once more to stop at once)")

        try:
            before = {kind: signal.signal(kind, note) for kind in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: signals are another's business
            before = {}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)
