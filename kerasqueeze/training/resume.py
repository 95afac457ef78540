"""Runs that can be stopped: the whole state of a training, saved, found again and restored."""

import json
import signal
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import numpy as np

from kerasqueeze import progress
from kerasqueeze.errors import Interrupted, UserError
from kerasqueeze.files import whole_file
from kerasqueeze.training.callbacks import HistoryWriter, NeverStarted, StopAtOverfitting

KEPT = 2
SAVE_EVERY = 600.0
"""Seconds after which a state is saved within an epoch."""
Position = tuple[int, int]
"""Epochs that are done, and steps of the next one."""


class States:
    """The saved states of one run, `<folder>/<epoch>-<step>.npz`: the newest whole one counts, the last two are kept.

    Args:
        folder: Where they lie; nothing else may.
        made_from: What a state has to fit: settings, data, code, numerics. Compared for equality after a trip through
            JSON.
    """

    def __init__(self, folder: Path, made_from: dict[str, Any]):
        self.folder = folder
        self.made_from = json.loads(json.dumps(made_from))

    def write(self, position: Position, arrays: list[np.ndarray], plain: dict[str, Any]) -> None:
        """Save a state, whole or not at all, and drop all but the last two."""
        told = json.dumps({"made_from": self.made_from, "position": position, **plain})
        named = {f"a{number:04}": array for number, array in enumerate(arrays)}
        with whole_file(self.folder / f"{position[0]:04}-{position[1]:06}.npz") as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, told=np.array(told), **named)  # pyright: ignore[reportArgumentType]
        for old in self._paths()[:-KEPT]:
            old.unlink(missing_ok=True)

    def newest(self) -> tuple[list[np.ndarray], dict[str, Any]] | None:
        """Return the arrays and the rest of the newest state that can be read; None if there is none.

        Raises:
            UserError: It was made from other settings, data or code.
        """
        for path in reversed(self._paths()):
            try:
                with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                    told = json.loads(str(file["told"]))
                    arrays = [file[name] for name in sorted(file.files) if name != "told"]
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                progress.warn(f"{path} is damaged; the state before it is used")
                continue
            different = [key for key, value in self.made_from.items() if told["made_from"].get(key) != value]
            if different:
                raise UserError(
                    f"{path} is a run that was stopped, made from other {' and '.join(different)}; go on with it as it "
                    "was begun, or start over with --fresh"
                )
            return arrays, told
        return None

    def drop(self) -> None:
        """Remove all states, and the folder."""
        for path in self._paths():
            path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.npz"))


class Resume(keras.callbacks.Callback):
    """Restore a saved state when training begins; save one at each epoch's end, every ten minutes and on a signal.

    It has to stand behind the callbacks whose state it keeps, which forget theirs when training begins, and the feed
    has to begin with the epoch of `position`. The steps of a half-finished epoch that are done already are passed over:
    the model keeps its state, and the running metrics go on from where they were.

    What happens within an epoch is not done in Keras' hooks for batches: with those it would wait for each step's
    figures before it begins the next. It is done between the steps, around the model's own function.

    Args:
        states: Where states are saved.
        found: What `states.newest()` gave.
        stop: Its counters and best weights are kept.
        start: Whether training has started is kept.
        writer: Its rows are kept.
    """

    def __init__(
        self,
        states: States,
        found: tuple[list[np.ndarray], dict[str, Any]] | None,
        stop: StopAtOverfitting,
        start: NeverStarted,
        writer: HistoryWriter,
    ):
        super().__init__()
        self.states, self.found = states, found
        self.stop, self.start, self.writer = stop, start, writer
        self.signal: int | None = None

    @property
    def position(self) -> Position:
        """Where training begins: epochs that are done, and steps of the next one."""
        return (0, 0) if self.found is None else tuple(self.found[1]["position"])

    @property
    def is_over(self) -> bool:
        """Whether the found state is that of a training that has ended."""
        return self.found is not None and self.found[1]["over"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the state back, all but the running metrics, which Keras sets to 0 when an epoch begins."""
        self._saved = time.monotonic()
        self._step, self.model.train_function = self.model.train_function, self._between_steps
        self._at_once = self.model.steps_per_execution  # between steps, to ask for the model would copy its state back
        if self.found is None:
            return
        arrays, told = self.found
        variables, metrics = self._variables(), self.model.metrics_variables
        if [tuple(one.shape) for one in variables] != [one.shape for one in arrays[: len(variables)]]:
            raise UserError(f"{self.states.folder} holds the state of another network; start over with --fresh")
        for variable, array in zip(variables[: len(variables) - len(metrics)], arrays, strict=False):
            variable.assign(array)
        self.stop.restore_state(told["stop"], arrays[len(variables) :])
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
        """Give the model its own function back."""
        self.model.train_function = self._step

    def _save(self, state: list[Any], position: Position, over: bool = False) -> None:
        told = {
            "over": over,
            "stop": self.stop.state_dict(),
            "started": self.start.started,
            "rows": self.writer.rows(),
            "seconds": self.writer.seconds_so_far(),
        }
        self.states.write(position, [*(np.array(array) for array in state), *self.stop.best_weights()], told)
        self._saved = time.monotonic()

    def _leave(self, where: str) -> None:
        if self.signal is not None:
            raise Interrupted(self.signal, f"stopped at {where}; the same command goes on from there")

    def _variables(self) -> list[Any]:
        model = self.model
        network = [*model.trainable_variables, *model.non_trainable_variables]
        return [*network, *model.optimizer.variables, *model.metrics_variables]

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
