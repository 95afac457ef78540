"""The benchmark's contestants of this package, in a process of their own.

    python -m kerasqueeze.bench.accelerator_ours PHOTOS float32|bfloat16 CONTESTANT

See `accelerator` for what they do.
"""

import importlib.metadata
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np

from kerasqueeze.bench import protocol
from kerasqueeze.data.datasets import DataSet
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.data.splits import Split
from kerasqueeze.errors import unknown
from kerasqueeze.models import layers
from kerasqueeze.models.fast import set_lowering
from kerasqueeze.models.fast.microbatch import MicroBatchModel
from kerasqueeze.models.squeezenet import SqueezeNet1_1
from kerasqueeze.startup.compiled import keep_compiled
from kerasqueeze.training import runner
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.feed import STEPS, Feed

CLASSES = 120
CONTESTANTS = ("ours-plain", "ours-study", "ours-bare", "ours-plain-slices", "ours-plain-nhwc")
KINDS = {  # of kernels, by what their names hold; the first that fits counts
    "transfers": ("memcpy", "memset", "copy_"),
    "convolutions": ("conv", "xmma", "fprop", "wgrad", "dgrad", "implicit", "cudnn", "cutlass", "sm80", "sm90"),
    "products": ("gemm", "cublas", "nvjet", "dot"),
    "pools": ("select_and_scatter", "reduce_window", "reduce-window", "select-and-scatter"),
    "layouts": ("transpose", "nchw", "nhwc"),
    "gathers": ("gather", "dynamic_slice", "dynamic-slice", "scatter", "concatenate"),
    "sums": ("reduce",),
    "pointwise": ("fusion", "wrapped", "loop", "add", "multiply", "broadcast", "select"),
}


def photos(path: str) -> Split:
    """Return the photos in a file, with labels."""
    images = np.load(path, mmap_mode="r")
    rows = np.arange(len(images))
    return Split(images, rows, (rows % CLASSES).astype(np.int32), tuple(map(str, rows)))


def plain(size: int, batch: int) -> Any:
    """Return the model without augmentation: normalisation, network, cross-entropy, Keras' Adam."""
    keras.utils.set_random_seed(0)
    network = SqueezeNet1_1(
        weights=None, input_shape=(size, size, 3), classes=CLASSES, classifier_activation=None, dropout=0.5
    )
    pixels = keras.Input((size, size, 3), dtype="uint8")
    model = MicroBatchModel(pixels, network(keras.layers.Rescaling(1.0, dtype="float32")(pixels)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4), loss, jit_compile=True)
    return model


def study(size: int, batch: int, split: Split) -> Any:
    """Return the model that `run.py` trains."""
    settings: dict[str, Any] = {"image_size": size, "batch_size": batch, "crop_area": 0.7, "dropout": 0.5}
    experiment = Experiment(name="bench", about="", dataset="noise", epochs=10, **settings)
    names = tuple(f"class {number}" for number in range(CLASSES))
    return runner.training_model(experiment, DataSet("noise", names, split, split, split, ""), seed=0)[0]


class Clock(keras.callbacks.Callback):
    """Stop after the first epoch that ends after so many seconds; count the images of all but the first, which warms up
    and may compile, and their time.
    """

    def __init__(self, seconds: float, images: int):
        super().__init__()
        self.budget, self.each = seconds, images

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin, or count."""
        keras.ops.convert_to_numpy(self.model.optimizer.iterations)  # waits: JAX runs ahead of its device
        now = time.perf_counter()
        if not epoch:
            self.began = now
        self.images, self.seconds = epoch * self.each, now - self.began
        self.model.stop_training = epoch > 0 and self.seconds > self.budget


class Fitted:
    """A model and its feed; trains for some seconds."""

    def __init__(self, model: Any, feed: str, split: Split, batch: int):
        self.model, self.batch, self.split = model, batch, split
        self.feed = Feed(feed, split, split.take(np.arange(batch)))
        self.held = self.feed.into(model, batch)  # for good: its functions are compiled once
        self.held.__enter__()

    def __call__(self, seconds: float, steps: int | None = None) -> float:
        """Return images a second through `fit`; `steps` bounds the steps of an epoch."""
        train = self.feed.train
        if steps is not None:
            train = train.take(np.arange(min(len(train), steps * self.batch)))
        data = Batches(train, self.batch, seed=0)
        clock = Clock(seconds, len(data) * self.batch)
        self.model.fit(data, epochs=10_000, shuffle=False, verbose=0, callbacks=[clock])
        return clock.images / clock.seconds


def bare(model: Any, split: Split, batch: int) -> Callable[..., float]:
    """Return what takes the jitted step alone, on one batch that is on the device."""
    images, labels = (jax.device_put(part) for part in split.batch(np.arange(batch)))
    model._symbolic_build(data_batch=(images, labels))
    kinds = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
    held = [jax.tree.map(jax.numpy.array, model._get_jax_state(**dict.fromkeys(kinds, True)))]
    step = jax.jit(model.train_step, donate_argnums=0)

    def run(seconds: float, steps: int | None = None) -> float:
        began, count, logs = time.perf_counter(), 0, None
        while not count or time.perf_counter() - began < seconds:
            for _ in range(steps or 32):
                logs, held[0] = step(held[0], (images, labels))
                count += 1
            jax.block_until_ready(logs)
        return count * batch / (time.perf_counter() - began)

    return run


def opened(contestant: str, feed: str, batch: int, split: Split) -> Callable[..., float]:
    """Return what trains a contestant for some seconds, compiled."""
    if contestant not in CONTESTANTS:
        raise unknown("contestant", contestant, CONTESTANTS)
    size = split.images.shape[1]
    slices = contestant.endswith("-slices")
    before, layers.is_fast = layers.is_fast, (lambda: True) if slices else layers.is_fast
    try:
        if contestant == "ours-bare":
            run = bare(plain(size, batch), split, batch)
        else:
            model = study(size, batch, split) if contestant == "ours-study" else plain(size, batch)
            run = Fitted(model, feed, split, batch)
        run(0, steps=STEPS)
    finally:
        layers.is_fast = before
    return run


def profiled(run: Callable[..., float]) -> list[str]:
    """Return where the device's time goes, from a trace of two epochs of 16 steps: by kind of kernel, and by kernel."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            rate = run(0, steps=16)
        (file,) = Path(folder).rglob("*.xplane.pb")
        data = jax.profiler.ProfileData.from_file(str(file))
    times: Counter[str] = Counter()
    first, last = float("inf"), 0.0
    for plane in data.planes:
        if "/device:" not in plane.name:
            continue
        for line in plane.lines:
            if not line.name.startswith("Stream"):
                continue
            for event in line.events:
                times[event.name] += event.duration_ns
                first, last = min(first, event.start_ns), max(last, event.start_ns + event.duration_ns)
    if not times:
        return ["  the trace has no kernels of a device"]
    busy, span = sum(times.values()), last - first
    kinds: Counter[str] = Counter()
    for name, spent in times.items():
        fits = (kind for kind, parts in KINDS.items() if any(part in name.lower() for part in parts))
        kinds[next(fits, "others")] += spent
    lines = [f"  {rate:.0f} images/s while traced; kernels {busy / 1e6:.2f} ms of {span / 1e6:.2f} ms"]
    lines += [f"  {100 * spent / busy:5.1f} %  {kind}" for kind, spent in kinds.most_common()]
    return [*lines, *(f"  {100 * spent / busy:5.1f} %  {name[:110]}" for name, spent in times.most_common(25))]


def main(path: str, precision: str, contestant: str) -> None:
    """Answer commands until the input ends."""
    say = protocol.channel()
    try:
        if precision == "bfloat16":
            keras.mixed_precision.set_global_policy("mixed_bfloat16")
        set_lowering("stock")
        keep_compiled()
        split = photos(path)
        versions = {name: importlib.metadata.version(name) for name in ("jax", "keras")}
        say({"device": jax.devices()[0].device_kind, **versions})
        runs: dict[tuple[str, str, int], Callable[..., float]] = {}
        for line in sys.stdin:
            command = json.loads(line)
            key = command["contestant"], command["feed"], command["batch"]
            try:
                if command["task"] == "open":
                    runs[key] = opened(*key, split)
                    say({"open": True})
                elif command["task"] == "profile":
                    say({"lines": profiled(runs[key])})
                else:
                    say({"images_per_second": runs[key](command["seconds"])})
            except Exception as error:  # this one is left out; the others go on
                say({"failed": protocol.one_line(error)})
    except Exception as error:
        say({"error": protocol.one_line(error)})


if __name__ == "__main__":
    main(*sys.argv[1:])
