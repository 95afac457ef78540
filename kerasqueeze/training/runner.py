"""One experiment from start to end: photos in, a trained network for each seed, a CSV and a JSON out.

Read `run`, then `_train`, then `fit.fit`.
"""

import datetime
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import keras

from kerasqueeze import history, locks, progress
from kerasqueeze.data import datasets
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.files import cache_dir, whole_file
from kerasqueeze.models import backbones, card, stages
from kerasqueeze.models.imagenet_classes import imagenet_numbers
from kerasqueeze.startup import hugepages
from kerasqueeze.startup.compiled import keep_compiled
from kerasqueeze.training import calibration, numerics, optimizers, provenance, record
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.feed import Feed
from kerasqueeze.training.fit import Jit, fit
from kerasqueeze.training.model import initial_weights, training_model
from kerasqueeze.training.run import Run
from kerasqueeze.training.scoring import score
from kerasqueeze.training.states import States
from kerasqueeze.training.traces import Traces


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

    Seeds that are finished already are not repeated, and one that was stopped goes on from its last saved state. A seed
    that another process is at work on is left to it, and waited for. The test photos are scored once a seed, after
    training, with the weights of the best validation loss.

    Args:
        experiment: What to train.
        seeds: Seeds of initial weights, batch order, augmentation and dropout.
        data_dir: Where the photos are, for data sets that need it.
        out: Folder that `CSV/` and `models/` lie in.
        fresh: Drop the results that `out` has of this experiment and start over.
        on_broken: `"fatal"` or `"skip"` for photos that cannot be read.
        score_test: Whether to score the test photos; False where the result decides what is tried next.
        feed: `"host"`, `"device"` or `"auto"`: whether the photos stay on the device, see `feed.Feed`. Changes no
            result.

    Returns:
        The record, as written to the JSON file.

    Raises:
        UserError: If the input is unusable, or `out` holds results of other settings, photos, weights or numerics.
        Interrupted: If SIGINT or SIGTERM stopped it; the state is saved.
    """
    weights = _check_settings(experiment)
    data = _load(experiment, data_dir, on_broken)
    photos = Feed(feed, data.train, data.validation)
    found = record.empty(experiment, data, weights)
    decisive = _decisive(found)

    def jit(phase: int) -> Callable[..., Any]:
        told = {**decisive, "phase": phase} if phase > 1 else decisive
        return Traces(cache_dir() / "traces", told).jit

    path = history.json_path(out, experiment.name)
    if fresh:
        record.drop(out, experiment.name)
    finished = record.earlier_runs(path, found)

    def train(seed: int) -> None:
        one = Run(experiment, seed, data, photos, out)
        if str(seed) in record.earlier_runs(path, found):
            by_now = (
                "finished already (--fresh starts over)" if str(seed) in finished else "finished by another process"
            )
            progress.say(f"{one}: {by_now}")
            return
        model, network = training_model(experiment, data, seed)
        record.update(path, found)  # from here on the settings stand, even while no seed is finished
        _train(one, model, network, found, jit, score_test)

    locks.share(seeds, lambda seed: history.network_path(out, experiment.name, seed), train, progress.say)
    return {**found, "runs": record.earlier_runs(path, found)}


def load_photos(experiment: Experiment, data_dir: Path | None = None, on_broken: str = "fatal") -> datasets.DataSet:
    """Return an experiment's photos, after all checks that `run` makes.

    Raises:
        UserError: The input is unusable.
    """
    _check_settings(experiment)
    return _load(experiment, data_dir, on_broken)


def _load(experiment: Experiment, data_dir: Path | None, on_broken: str) -> datasets.DataSet:
    keep_compiled()
    _warn_of_small_pages()
    data = datasets.load(
        experiment.dataset,
        image_size=experiment.image_size,
        data_dir=data_dir,
        limit=experiment.limit,
        on_broken=on_broken,
        squash=experiment.resize == "squash",
    )
    _check_photos(experiment, data)
    return data


def _train(
    run: Run, model: keras.Model, network: keras.Model, found: dict[str, Any], jit: Jit, score_test: bool
) -> None:
    """Train and score one run, and add it to the experiment's record `found`."""
    made_from = {key: found[key] for key in ("experiment", "data", "weights", "code")}
    states = States(run.states_path, {**made_from, "numerics": numerics.settings()})
    about = _provenance(run, model, network)
    result = fit(run, model, network, states, jit)
    stages.free(network, "all")
    began = time.perf_counter()
    result["validation"], logits = score(model, run.data.validation)
    result["temperature"] = calibration.fit_temperature(logits, run.data.validation.labels)
    if score_test:
        result["test"], logits = score(model, run.data.test)
        sure = [calibration.confidence(logits, temperature) for temperature in (1.0, result["temperature"])]
        history.write_predictions(run.predictions_path, run.seed, run.data.test.labels, logits.argmax(-1), *sure)
    with whole_file(run.network_path) as part:
        network.save(part)
        card.add(part, record.card(run, found, {**result, **about}))
    result["seconds"] = round(result["seconds"] + time.perf_counter() - began, 1)
    result["finished"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    rows = history.hash_rows(run.out, run.experiment.name, [run.seed])[run.seed]
    record.update(
        history.json_path(run.out, run.experiment.name), found, {str(run.seed): {**result, **about, "rows": rows}}
    )
    states.drop()
    progress.say(_summary(run, result))


def _provenance(run: Run, model: keras.Model, network: keras.Model) -> dict[str, Any]:
    """Return what a run was made from and with; asked as it begins, for files may change while it runs."""
    first = Batches(run.data.train, run.experiment.batch_size, seed=run.seed)[0]
    return {
        "initial_weights": provenance.of_weights(network),
        "first_batch": provenance.of_first_batch(first, model),
        "git_revision": provenance.git_revision(),
        "code": provenance.of_code(),
        "versions": provenance.versions(),
        "numerics": numerics.settings(),
        "hardware": {**provenance.hardware(), **run.feed.about()},
    }


def _summary(run: Run, result: dict[str, Any]) -> str:
    test = result.get("test")
    scored = "" if test is None else f"Test accuracy {test['accuracy']:.4f} on {test['photos']} photos, "
    return (
        f"{run}: {result['outcome']}; {result['reason']}. {scored}in {progress.clock(result['seconds'])}; "
        f"network in {run.network_path}"
    )


def _check_settings(experiment: Experiment) -> dict[str, str | None]:
    """Refuse, before the photos, which can take long, what cannot be run; return what the weights are."""
    numerics.check()
    if experiment.model not in backbones.NAMES:
        raise unknown("model", experiment.model, backbones.NAMES)
    weights = provenance.weights_file(experiment.weights)
    backbones.check_width(experiment.model, experiment.width)
    backbones.check_weights(experiment.model, initial_weights(experiment))
    optimizers.check(experiment)
    return weights


def _check_photos(experiment: Experiment, data: datasets.DataSet) -> None:
    if len(data.train) < experiment.batch_size:
        raise UserError(
            f"batch_size={experiment.batch_size} is more than the {len(data.train)} training photos; "
            f"use --batch-size {len(data.train)} or less"
        )
    if experiment.head == "imagenet_slice":
        imagenet_numbers(data.class_names)


def _warn_of_small_pages() -> None:
    """Say once why the CPU has to do without huge pages, if it has to."""
    if hugepages.reason is not None and jax.default_backend() == "cpu":
        progress.warn(f"{hugepages.reason}: training is a little slower")
        hugepages.reason = None


def _decisive(found: dict[str, Any]) -> dict[str, Any]:
    """Return what decides what the steps of a record's runs compute, beside shapes."""
    data = {key: found["data"][key] for key in ("classes", "train")}  # with the epochs they decide the schedule
    return {"experiment": found["experiment"], "data": data, "code": found["code"], "versions": provenance.versions()}
