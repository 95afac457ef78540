"""One experiment from start to end: photos in, a trained network, a CSV and a JSON out."""

import datetime
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import keras

from kerasqueeze import history
from kerasqueeze.data import datasets
from kerasqueeze.data.augment import RandomCropFlip
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.files import cache_dir, whole_file
from kerasqueeze.models import backbones
from kerasqueeze.models.microbatches import MicroBatchModel
from kerasqueeze.training import optimizers
from kerasqueeze.training.callbacks import HistoryWriter, NeverStarted, Progress, StopAtOverfitting, clock
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.metrics import ConfusionMetrics
from kerasqueeze.training.treatment import LayersWriter

VERSIONS_OF = ("kerasqueeze", "keras", "jax", "jaxlib", "numpy", "tensorflow-datasets", "pillow")


def run(
    experiment: Experiment,
    seeds: Sequence[int],
    *,
    data_dir: Path | None = None,
    out: Path = Path(),
    fresh: bool = False,
    on_broken: str = "fatal",
    score_test: bool = True,
) -> dict[str, Any]:
    """Train `experiment` once for each seed and write its CSV, JSON and `models/<name>_seed<seed>.keras`.

    Seeds that are finished already are not repeated. The test photos are scored once a seed, after training, with the
    weights of the best validation loss.

    Args:
        experiment: What to train.
        seeds: Seeds of initial weights, batch order, augmentation and dropout.
        data_dir: Where the photos are, for data sets that need it.
        out: Folder that `CSV/` and `models/` lie in.
        fresh: Drop the results that `out` has of this experiment and start over.
        on_broken: `"fatal"` or `"skip"` for photos that cannot be read.
        score_test: Score the test photos; not in a sweep, which may look at validation only.

    Returns:
        The record, as written to the JSON file.

    Raises:
        UserError: If the input is unusable, or `out` holds results of other settings, photos or weights.
    """
    if experiment.model not in backbones.NAMES:
        raise unknown("model", experiment.model, backbones.NAMES)
    weights = _weights_identity(experiment.weights)
    _keep_compiled()
    data = datasets.load(
        experiment.dataset,
        image_size=experiment.image_size,
        data_dir=data_dir,
        limit=experiment.limit,
        on_broken=on_broken,
    )
    if len(data.train) < experiment.batch_size:
        raise UserError(
            f"batch_size={experiment.batch_size} is more than the {len(data.train)} training photos; "
            f"use --batch-size {len(data.train)} or less"
        )
    record = {
        "experiment": {**experiment.settings(), "weights": weights["file"]},
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "classes": len(data.class_names),
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        },
        "weights": weights,
        "runs": {},
    }
    path = history.json_path(out, experiment.name)
    if fresh:
        path.unlink(missing_ok=True)
        history.csv_path(out, experiment.name).unlink(missing_ok=True)
        history.layers_path(out, experiment.name).unlink(missing_ok=True)
    record["runs"] = _earlier_runs(path, record)
    for seed in seeds:
        if str(seed) in record["runs"]:
            print(f"{experiment.name} seed {seed}: finished already (--fresh starts over)", file=sys.stderr)
            continue
        model, network = training_model(experiment, data, seed)
        history.write_json(path, record)  # from here on the settings stand, even while no seed is finished
        result = _run_seed(experiment, seed, data, model, network, out, score_test)
        record["runs"] = {**_earlier_runs(path, record), str(seed): result}
        history.write_json(path, record)
    return record


def training_model(experiment: Experiment, data: datasets.DataSet, seed: int) -> tuple[keras.Model, keras.Model]:
    """Build and compile the model that is trained: augmentation in front of the network.

    Args:
        experiment: The settings.
        data: The photos; its sizes decide the head and the schedule.
        seed: Fixes the initial weights, dropout and augmentation.

    Returns:
        The compiled model, uint8 pixels (N, S, S, 3) to logits (N, C), and the network inside it, which is what is
        saved.
    """
    keras.utils.set_random_seed(seed)
    network = backbones.build(
        experiment.model,
        classes=len(data.class_names),
        image_size=experiment.image_size,
        weights=None if experiment.weights == "none" else experiment.weights,
        dropout=experiment.dropout,
    )
    pixels = keras.Input((experiment.image_size, experiment.image_size, 3), dtype="uint8", name="pixels")
    augment = RandomCropFlip(scale=(experiment.crop_area, 1.0), flip=experiment.flip, seed=seed)
    model = MicroBatchModel(pixels, network(augment(pixels)), name=f"{experiment.name}_training")
    model.compile(
        optimizer=optimizers.build(experiment, len(data.train) // experiment.batch_size),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[ConfusionMetrics(len(data.class_names))],
        jit_compile=True,
    )
    return model, network


def _run_seed(
    experiment: Experiment,
    seed: int,
    data: datasets.DataSet,
    model: keras.Model,
    network: keras.Model,
    out: Path,
    score_test: bool,
) -> dict[str, Any]:
    began, revision = time.perf_counter(), _git_revision()  # asked now: the files may change while it runs
    stop, start = StopAtOverfitting(experiment.patience), NeverStarted(len(data.class_names))
    csv = history.csv_path(out, experiment.name)
    batches = Batches(data.train, experiment.batch_size, seed=seed)
    fitted = model.fit(
        batches,
        validation_data=Batches(data.validation, experiment.batch_size),
        epochs=experiment.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[
            stop,
            start,
            HistoryWriter(csv, seed, len(batches) * experiment.batch_size),
            LayersWriter(history.layers_path(out, experiment.name), seed),
            Progress(f"{experiment.name} seed {seed}"),
        ],
    )
    test, said = {}, ""
    if score_test:
        scores = model.evaluate(Batches(data.test, experiment.batch_size), verbose=0, return_dict=True)
        test = {"test": {"photos": len(data.test), **{key: float(value) for key, value in scores.items()}}}
        said = f"Test accuracy {scores['accuracy']:.4f} on {len(data.test)} photos, "
    saved = Path(out) / "models" / f"{experiment.name}_seed{seed}.keras"
    with whole_file(saved) as part:
        network.save(part)
    seconds = time.perf_counter() - began
    outcome = stop.outcome if start.started or stop.outcome == "diverged" else "never started"
    print(
        f"{experiment.name} seed {seed}: {outcome}; {stop.reason}. {said}in {clock(seconds)}; network in {saved}",
        file=sys.stderr,
    )
    return {
        "outcome": outcome,
        "reason": stop.reason,
        "epochs": len(fitted.epoch),
        "best_epoch": stop.best_epoch,
        **test,
        "seconds": round(seconds, 1),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git_revision": revision,
        "versions": _versions(),
        "hardware": _hardware(),
    }


def _earlier_runs(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return the finished runs of the record at `path`; refuse one of other settings, photos or weights."""
    csv = path.with_suffix(".csv")
    if not path.exists():
        if csv.exists():
            raise UserError(
                f"{csv} has no record {path.name} beside it; use --out OTHER_DIR, or replace it with --fresh"
            )
        return {}
    earlier = history.read_json(path)
    for part in ("experiment", "data", "weights"):
        old, new = earlier.get(part) or {}, record[part] or {}
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                raise UserError(
                    f"{path} holds results with {key}={old.get(key)!r}, this run has {key}={new.get(key)!r}; "
                    "keep both with --out OTHER_DIR, or replace the old ones with --fresh"
                )
    return earlier["runs"]


def _keep_compiled() -> None:
    """Let JAX keep what it compiles on disk, so that the next run of the same shapes begins at once."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # a user's own choice stands
        jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _weights_identity(weights: str) -> dict[str, str | None]:
    """Name the initial weights by what is in the file, not by where it lies on this machine."""
    if weights in ("none", "imagenet"):
        return {"file": weights, "sha256": None}
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"no weights file at {weights!r}; expected none, imagenet or the path of a .pth, .weights.h5 or .keras file"
        )
    with path.open("rb") as file:
        return {"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _git_revision() -> str | None:
    """Return the commit the package was run from, with `-dirty` where files were changed since; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in VERSIONS_OF}}


def _hardware() -> dict[str, Any]:
    devices = jax.devices()
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "device": f"{len(devices)} x {devices[0].device_kind}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
