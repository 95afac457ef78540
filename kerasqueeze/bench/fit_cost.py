"""What `fit` costs beside its step, in a process of its own: says a line of JSON for each measurement.

    python -m kerasqueeze.bench.fit_cost costs|quick SIZE BATCH

Photos are noise, read through a memory map as those of the study are. See `protocol.channel` for the output.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np

from kerasqueeze.bench import protocol
from kerasqueeze.data.augment import RandomCropFlip
from kerasqueeze.data.datasets import DataSet
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.data.splits import Split
from kerasqueeze.models.fast.microbatch import MicroBatchModel
from kerasqueeze.models.squeezenet import SqueezeNet1_1
from kerasqueeze.training import runner
from kerasqueeze.training.callbacks import HistoryWriter, LayersWriter, NeverStarted, Progress, StopAtOverfitting
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.resume import Resume
from kerasqueeze.training.states import States

CLASSES, STORED = 120, 320
TURN, TURNS = 10, 30
"""Steps of `fit` and steps alone in turns, and how many turns there are."""
Say = Callable[..., None]


class Clock(keras.callbacks.Callback):
    """Time the epoch's training part and its end; stands first, so that all other callbacks are within."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start."""
        self._began, self.training = time.perf_counter(), None

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Note that the training part is over."""
        keras.ops.convert_to_numpy(self.model.optimizer.iterations)  # waits: JAX runs ahead of its device
        self.training = time.perf_counter() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note when the other callbacks begin with the epoch's end."""
        keras.ops.convert_to_numpy(self.model.optimizer.iterations)
        self._ended = time.perf_counter()
        self.training = self.training or self._ended - self._began

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Note how long the epoch's end took."""
        self.end = time.perf_counter() - self._ended


def split(folder: Path, size: int, photos: int) -> Split:
    """Return that many photos of noise; the stored ones are repeated."""
    stored = min(STORED, photos)
    path = folder / f"{size}_{stored}.npy"
    if not path.exists():
        np.save(path, np.random.default_rng(0).integers(0, 256, (stored, size, size, 3), dtype=np.uint8))
    images, rows = np.load(path, mmap_mode="r"), np.arange(photos)
    return Split(images, rows % stored, (rows % CLASSES).astype(np.int32), tuple(map(str, rows)))


class Fit:
    """A model as `run.py` trains it, and its `fit`, an epoch at a time."""

    def __init__(self, folder: Path, size: int, batch: int, photos: int):
        self.folder, self.batch = folder, batch
        self.experiment = Experiment(name="bench", about="", dataset="noise", image_size=size, batch_size=batch)
        train, validation = split(folder, size, photos), split(folder, size, batch)
        names = tuple(f"class {number}" for number in range(CLASSES))
        data = DataSet("noise", names, train, validation, validation, "")
        self.model = runner.training_model(self.experiment, data, seed=0)[0]
        self.size, self.validation = size, validation

    def epoch(self, photos: int, complete: bool = True) -> Clock:
        """Train for an epoch; return its times. `complete`: with all callbacks and validation, as in `run.py`."""
        feed, clock = Batches(split(self.folder, self.size, photos), self.batch, seed=0), Clock()
        with tempfile.TemporaryDirectory(dir=self.folder) as folder, (Path(folder) / "log").open("w") as log:
            callbacks: list[keras.callbacks.Callback] = [clock]
            if complete:
                stop, start = StopAtOverfitting(3), NeverStarted(CLASSES, stream=log)
                writer = HistoryWriter(Path(folder) / "bench.csv", 0, photos)
                resume = Resume(States(Path(folder) / "states", {}), None, stop, start, writer)
                layers = LayersWriter(Path(folder) / "layers.csv", 0)
                callbacks += [stop, start, writer, layers, Progress("bench", log), resume]
            validation = Batches(self.validation, self.batch) if complete else None
            self.model.fit(feed, validation_data=validation, shuffle=False, verbose=0, callbacks=callbacks)
        return clock


def bare_step(folder: Path, size: int, batch: int) -> Callable[[], object]:
    """Return the jitted step alone: augmentation, network, loss, Keras' Adam; one batch that is there already."""
    network = SqueezeNet1_1(weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None)
    pixels = keras.Input((size, size, 3), dtype="uint8")
    model: Any = MicroBatchModel(pixels, network(RandomCropFlip(seed=0)(pixels)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4, global_clipnorm=1.0), loss, jit_compile=True)
    images, labels = split(folder, size, batch).batch(np.arange(batch))
    model._symbolic_build(data_batch=(images, labels))
    model.make_train_function()
    kinds = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
    held = [model._get_jax_state(**dict.fromkeys(kinds, True))]

    def step() -> None:
        logs, held[0] = model.train_function(held[0], iter([(images, labels)]))
        float(logs["loss"])

    return step


def overhead(folder: Path, fit: Fit, batch: int, photos: int, rounds: int, say: Say) -> None:
    """Measure `fit` against its step, in many short turns since machines change their speed, and what the data cost."""
    step = bare_step(folder, fit.size, batch)
    step()
    each = TURN * batch
    bare, fitted, ends = [], [], []

    def alone() -> None:
        step()
        began = time.perf_counter()
        for _ in range(TURN):
            step()
        bare.append((time.perf_counter() - began) / TURN)

    def in_fit() -> None:
        clock = fit.epoch(each)
        fitted.append((clock.training or 0.0) / TURN)
        ends.append(clock.end)

    for turn in range(rounds):
        for part in (alone, in_fit) if turn % 2 else (in_fit, alone):
            part()
    per_step = statistics.median(fitted)
    turns = [100 * (ratio - 1) for ratio in np.divide(fitted, bare)]
    low, more, high = statistics.quantiles(turns, n=4)
    quartiles = f"the middle half lies from {low:.1f} to {high:.1f}"
    about = "the jitted step alone, its batch held ready, no metrics"
    say("bare_step", statistics.median(bare), "s", about=about, photos=each)
    about = "a step of fit with all callbacks and metrics, epoch's end left out"
    say("fit_step", per_step, "s", about=about, photos=each)
    about = f"fit_step more than bare_step, median of {rounds} turns; {quartiles}"
    say("fit_overhead", more, "%", about=about, photos=each)
    say("epoch_end", statistics.median(ends), "s", about="the callbacks at the end of an epoch: files and saved state")
    gather, augment = _gather(folder, fit.size, batch, photos), _augment(folder, fit.size, batch)
    say("gather", gather, "s", about="to gather a uint8 batch in data.pipeline.Batches with no step to hide it behind")
    say("augment", augment, "s", about="augmentation of a batch, alone in its jitted function")
    share = 100 * (gather + augment) / per_step
    say(
        "data_share", share, "%", about="gather and augment as a share of fit_step; in fit, gather runs beside the step"
    )


def _gather(folder: Path, size: int, batch: int, photos: int) -> float:
    feed = Batches(split(folder, size, photos), batch, seed=1)
    feed[0]
    began = time.perf_counter()
    for index in range(1, len(feed)):
        feed[index]
    return (time.perf_counter() - began) / max(1, len(feed) - 1)


def _augment(folder: Path, size: int, batch: int) -> float:
    layer, seconds = RandomCropFlip(seed=0), []
    layer.build((batch, size, size, 3))
    images = jax.numpy.asarray(split(folder, size, batch).batch(np.arange(batch))[0])

    @jax.jit
    def run(state: jax.Array, images: jax.Array) -> tuple[jax.Array, list[Any]]:
        made, updated = layer.stateless_call([], [state], images, training=True)
        return made, updated

    for _ in range(11):
        began = time.perf_counter()
        jax.block_until_ready(run(layer.seed_generator.state.value, images))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])  # the first compiles


def costs(folder: Path, size: int, batch: int, quick: bool, tell: Callable[[dict[str, Any]], None]) -> None:
    """Measure everything and tell each finding."""
    counts = [batch * steps for steps in ((2, 4, 8) if quick else (10, 20, 40))]
    sides = sorted({96, 160, size} if quick else {96, 128, 160, size})

    def say(measure: str, value: float, unit: str, *, about: str, photos: int = counts[0], side: int = size) -> None:
        finding = {"measure": measure, "value": value, "unit": unit, "size": side, "batch": batch, "photos": photos}
        tell({"finding": {**finding, "about": about}})

    fit = Fit(folder, size, batch, counts[-1])
    fit.epoch(batch)  # compiles
    overhead(folder, fit, batch, counts[0], 2 if quick else TURNS, say)
    about = "the training part of an epoch of fit, all callbacks"
    for photos in counts:
        say("epoch_by_photos", fit.epoch(photos).training or 0.0, "s", about=about, photos=photos)
    for side in sides:
        smaller = fit if side == size else Fit(folder, side, batch, counts[0])
        smaller.epoch(batch, complete=False)  # compiles
        seconds = smaller.epoch(counts[0], complete=False).training or 0.0
        say("epoch_by_pixels", seconds, "s", about="an epoch of fit, metrics but no callbacks", side=side)


def main(mode: str, size: int, batch: int) -> None:
    """Run one mode."""
    tell = protocol.channel()
    with tempfile.TemporaryDirectory() as name:
        costs(Path(name), size, batch, mode == "quick", tell)
        tell({"done": True})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
