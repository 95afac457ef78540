"""One experiment from start to end: photos in, a trained network, a CSV and a JSON out."""

import datetime
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np

from kerasqueeze import history
from kerasqueeze.data import datasets
from kerasqueeze.data.augment import RandomColour, RandomCropFlip, RandomErase
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.files import cache_dir, whole_file
from kerasqueeze.models import backbones
from kerasqueeze.models.fast.microbatch import MicroBatchModel
from kerasqueeze.models.imagenet_classes import imagenet_numbers
from kerasqueeze.startup import hugepages
from kerasqueeze.training import losses, optimizers, provenance, record
from kerasqueeze.training.callbacks import (
    AveragedWeights,
    HistoryWriter,
    LayersWriter,
    NeverStarted,
    Progress,
    StopAtOverfitting,
    clock,
)
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.feed import Feed
from kerasqueeze.training.metrics import ConfusionMetrics
from kerasqueeze.training.resume import Resume, States
from kerasqueeze.training.traces import Traces

SCORING_BATCH = 64


def run(
    experiment: Experiment,
    seeds: Sequence[int],
    *,
    data_dir: Path | None = None,
    out: Path = Path(),
    fresh: bool = False,
    on_broken: str = "fatal",
    score_test: bool = True,
    feed: str = "auto",
) -> dict[str, Any]:
    """Train `experiment` once for each seed; write its CSV, JSON, predictions and `models/<name>_seed<seed>.keras`.

    Seeds that are finished already are not repeated, and one that was stopped goes on from its last saved state. The
    test photos are scored once a seed, after training, with the weights of the best validation loss.

    Args:
        experiment: What to train.
        seeds: Seeds of initial weights, batch order, augmentation and dropout.
        data_dir: Where the photos are, for data sets that need it.
        out: Folder that `CSV/` and `models/` lie in.
        fresh: Drop the results that `out` has of this experiment and start over.
        on_broken: `"fatal"` or `"skip"` for photos that cannot be read.
        score_test: Whether to score the test photos; False where the result decides what is tried next.
        feed: `"host"`, `"device"` or `"auto"`: whether the photos stay on the device, see `resident.Feed`. Changes no
            result.

    Returns:
        The record, as written to the JSON file.

    Raises:
        UserError: If the input is unusable, or `out` holds results of other settings, photos or weights.
        Interrupted: If SIGINT or SIGTERM stopped it; the state is saved.
    """
    if experiment.model not in backbones.NAMES:
        raise unknown("model", experiment.model, backbones.NAMES)
    weights = provenance.weights_file(experiment.weights)
    backbones.check_weights(experiment.model, _initial(experiment))  # before the photos, which can take long
    keep_compiled()
    if hugepages.reason is not None and jax.default_backend() == "cpu":
        print(f"{hugepages.reason}: training is a little slower", file=sys.stderr)
        hugepages.reason = None
    data = datasets.load(
        experiment.dataset,
        image_size=experiment.image_size,
        data_dir=data_dir,
        limit=experiment.limit,
        on_broken=on_broken,
    )
    _check(experiment, data)
    fed = Feed(feed, data.train, data.validation)
    found = record.empty(experiment, data, weights)
    traces = Traces(cache_dir() / "traces", _decisive(found))
    path = history.json_path(out, experiment.name)
    if fresh:
        record.drop(out, experiment.name)
    found["runs"] = record.earlier_runs(path, found)
    for seed in seeds:
        if str(seed) in found["runs"]:
            print(f"{experiment.name} seed {seed}: finished already (--fresh starts over)", file=sys.stderr)
            continue
        model, network = training_model(experiment, data, seed)
        model.jit = traces.jit
        history.write_json(path, found)  # from here on the settings stand, even while no seed is finished
        made_from = {key: found[key] for key in ("experiment", "data", "weights", "code")}
        states = States(record.models(out) / f"{experiment.name}_seed{seed}_states", made_from)
        result = _run_seed(experiment, seed, data, fed, model, network, out, states, score_test)
        found["runs"] = {**record.earlier_runs(path, found), str(seed): result}
        history.write_json(path, found)
        states.drop()
    return found


def _decisive(found: dict[str, Any]) -> dict[str, Any]:
    """Return what decides what the steps of a record's runs compute, beside shapes."""
    data = {key: found["data"][key] for key in ("classes", "train")}  # with the epochs they decide the schedule
    return {"experiment": found["experiment"], "data": data, "code": found["code"], "versions": provenance.versions()}


def training_model(experiment: Experiment, data: datasets.DataSet, seed: int) -> tuple[MicroBatchModel, keras.Model]:
    """Build and compile the model that is trained: augmentation in front of the network.

    Args:
        experiment: The settings.
        data: The photos; its sizes decide the head and the schedule.
        seed: Fixes the initial weights, dropout and augmentation.

    Returns:
        The compiled model, uint8 pixels (N, S, S, 3) to logits (N, C), and the network inside it, which is what is
        saved; with a `crop_size` it takes images of any size.
    """
    keras.utils.set_random_seed(seed)
    network = backbones.build(
        experiment.model,
        classes=len(data.class_names),
        image_size=experiment.image_size if experiment.crop_size is None else None,
        weights=_initial(experiment),
        dropout=experiment.dropout,
        head=imagenet_numbers(data.class_names) if experiment.head == "imagenet_slice" else None,
    )
    pixels = keras.Input((experiment.image_size, experiment.image_size, 3), dtype="uint8", name="pixels")
    x = RandomCropFlip((experiment.crop_area, 1.0), experiment.flip, experiment.crop_size, seed)(pixels)
    others = [int(state) for state in np.random.SeedSequence(seed).generate_state(2)]  # else they would draw the same
    if experiment.colour:
        x = RandomColour(experiment.colour, others[0])(x)
    if experiment.erase:
        x = RandomErase(experiment.erase, others[1])(x)
    model = MicroBatchModel(pixels, network(x), name=f"{experiment.name}_training")
    model.compile(
        optimizer=optimizers.build(experiment, len(data.train) // experiment.batch_size),
        loss=losses.build(experiment.label_smoothing),
        metrics=[ConfusionMetrics(len(data.class_names))],
        jit_compile=True,
    )
    # Keras would trace the whole network to learn the shape of its output, which is known.
    labels, logits = (keras.KerasTensor((experiment.batch_size, *rest)) for rest in ((), (len(data.class_names),)))
    for part in (model._compile_metrics, model._compile_loss):
        part.build(labels, logits)
    return model, network


def _initial(experiment: Experiment) -> str | None:
    return None if experiment.weights == "none" else experiment.weights


def _run_seed(
    experiment: Experiment,
    seed: int,
    data: datasets.DataSet,
    fed: Feed,
    model: keras.Model,
    network: keras.Model,
    out: Path,
    states: States,
    score_test: bool,
) -> dict[str, Any]:
    revision = provenance.git_revision()  # asked now: the files may change while it runs
    first = Batches(data.train, experiment.batch_size, seed=seed)[0]
    began_with = {
        "initial_weights": provenance.of_weights(network),
        "first_batch": provenance.of_first_batch(first, model),
    }
    fitted = _fit(experiment, seed, data, fed, model, out, states)
    began = time.perf_counter()
    validation, _ = _score(model, data.validation)
    test = None
    if score_test:
        test, predicted = _score(model, data.test)
        history.write_predictions(history.predictions_path(out, experiment.name), seed, data.test.labels, predicted)
    saved = record.models(out) / f"{experiment.name}_seed{seed}.keras"
    with whole_file(saved) as part:
        network.save(part)
    seconds = fitted.pop("seconds") + time.perf_counter() - began
    scored = "" if test is None else f"Test accuracy {test['accuracy']:.4f} on {test['photos']} photos, "
    print(
        f"{experiment.name} seed {seed}: {fitted['outcome']}; {fitted['reason']}. {scored}in {clock(seconds)}; "
        f"network in {saved}",
        file=sys.stderr,
    )
    return {
        **fitted,
        "validation": validation,
        **({} if test is None else {"test": test}),
        **began_with,
        "seconds": round(seconds, 1),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git_revision": revision,
        "code": provenance.of_code(),
        "versions": provenance.versions(),
        "hardware": {**provenance.hardware(), **fed.about()},
    }


def _fit(
    experiment: Experiment,
    seed: int,
    data: datasets.DataSet,
    fed: Feed,
    model: keras.Model,
    out: Path,
    states: States,
) -> dict[str, Any]:
    """Train from the newest state, or from the start; leave the best weights in the model."""
    if not experiment.epochs:
        model.build(model.input_shape)
        reason = "the initial weights are scored as they are"
        csv = history.csv_path(out, experiment.name)
        if not csv.exists():
            history.write_csv(csv, history.no_rows())
        return {"outcome": "not trained", "reason": reason, "epochs": 0, "best_epoch": 0, "seconds": 0.0}
    stop, start = StopAtOverfitting(experiment.patience), NeverStarted(len(data.class_names))
    photos = len(data.train) // experiment.batch_size * experiment.batch_size
    writer = HistoryWriter(history.csv_path(out, experiment.name), seed, photos)
    layers = LayersWriter(history.layers_path(out, experiment.name), seed)
    resume = Resume(states, states.newest(), stop, start, writer)
    epoch, step = resume.position
    label = f"{experiment.name} seed {seed}"
    if epoch or step:
        print(f"{label}: goes on after {epoch} epochs and {step} steps", file=sys.stderr)
    with resume.on_signals(), fed.into(model, experiment.batch_size):
        model.fit(
            Batches(fed.train, experiment.batch_size, seed=seed, first_epoch=epoch),
            validation_data=Batches(fed.validation, SCORING_BATCH),
            initial_epoch=epoch,
            epochs=epoch if resume.is_over else experiment.epochs,
            shuffle=False,
            verbose=0,
            callbacks=[stop, start, writer, AveragedWeights(), layers, Progress(label), resume],
        )
    rows = writer.rows()
    return {
        "outcome": stop.outcome if start.started or stop.outcome == "diverged" else "never started",
        "reason": stop.reason,
        "epochs": len(rows),
        "best_epoch": stop.best_epoch,
        "seconds": sum(row["seconds"] for row in rows),
    }


def _score(model: keras.Model, split: datasets.Split) -> tuple[dict[str, float], np.ndarray]:
    """Return the metrics on the photos of a split, the loss without smoothing, and the predicted classes (N,)."""
    logits = model.predict(Batches(split, SCORING_BATCH), verbose=0)
    metrics = ConfusionMetrics(logits.shape[-1])
    metrics.update_state(split.labels, logits)
    found = {name: float(value) for name, value in metrics.result().items()}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(split.labels, logits)
    return {"photos": len(split), **found, "loss": float(loss)}, logits.argmax(-1)


def _check(experiment: Experiment, data: datasets.DataSet) -> None:
    if len(data.train) < experiment.batch_size:
        raise UserError(
            f"batch_size={experiment.batch_size} is more than the {len(data.train)} training photos; "
            f"use --batch-size {len(data.train)} or less"
        )
    if experiment.head == "imagenet_slice":
        imagenet_numbers(data.class_names)


def keep_compiled() -> None:
    """Let JAX keep what it compiles on disk, so that the next run of the same shapes begins at once."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # a user's own choice stands
        jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # small programs are many
