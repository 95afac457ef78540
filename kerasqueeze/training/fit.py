"""Train one run, phase by phase, from the start or from where it was stopped."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from kerasqueeze import history, progress
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.models import stages
from kerasqueeze.models.cut import cut
from kerasqueeze.training import features, optimizers, phases
from kerasqueeze.training.callbacks import (
    AveragedWeights,
    HistoryWriter,
    LayersWriter,
    NeverStarted,
    Progress,
    StopAtOverfitting,
)
from kerasqueeze.training.feed import Feed
from kerasqueeze.training.model import compile_for
from kerasqueeze.training.resume import Resume
from kerasqueeze.training.run import Run
from kerasqueeze.training.scoring import SCORING_BATCH
from kerasqueeze.training.states import States

Jit = Callable[[int], Callable[..., Any]]
"""Gives, for a phase's number, what compiles the training model's steps."""


@dataclass(frozen=True)
class Prepared:
    """What a phase fits.

    Attributes:
        model: The training model, or the back of its network.
        feed: What it trains on: photos, or their features.
        views: Augmented views of each photo among the features.
        about: How a frozen front is computed, for the record; "" where nothing is frozen.
        seconds: What computing features took.
    """

    model: keras.Model
    feed: Feed
    views: int = 1
    about: str = ""
    seconds: float = 0.0


def fit(run: Run, model: keras.Model, network: keras.Model, states: States, jit: Jit) -> dict[str, Any]:
    """Train from the newest state, or from the start; leave the best weights in the network.

    Args:
        run: What is trained, on what; its history and its log of layers are written epoch by epoch.
        model: Of `model.training_model`.
        network: The network inside it.
        states: Where the run's states are saved, and found.
        jit: What compiles the steps of each phase.

    Returns:
        What the record says of the training: outcome, reason, epochs, best epoch, the phases, and the seconds of its
        epochs.

    Raises:
        UserError: The saved state was made from other settings, data or code.
        Interrupted: SIGINT or SIGTERM stopped it; the state is saved.
    """
    if not run.experiment.epochs:
        return _untrained(run, model)
    stop = StopAtOverfitting(run.experiment.patience, run.experiment.keep, network)
    start = NeverStarted(len(run.data.class_names))
    writer = HistoryWriter(run.history_path, run.seed, run.photos_per_epoch)
    layers = LayersWriter(run.layers_path, run.seed)
    resume = Resume(states, states.newest(), stop, start, writer, network)
    epoch, step = resume.position
    first, begins_at, steps_before = resume.found_phase
    if epoch or step:
        progress.say(f"{run}: goes on after {epoch} epochs and {step} steps")
    all_phases = phases.of(run.experiment)
    last: keras.optimizers.Optimizer | None = None
    shown: Progress | None = None
    try:
        with resume.on_signals():
            for number, phase in enumerate(all_phases, start=1):
                if number < first:
                    continue
                if number > first:
                    begins_at, steps_before = (
                        epoch,
                        int(last.iterations) if phase.keep_state and last is not None else 0,
                    )
                shown = Progress(str(run) if len(all_phases) == 1 else f"{run} phase {number}")
                ready = _prepare(run, model, network, phase, number, steps_before, jit)
                if phase.keep_state and last is not None:
                    optimizers.take_over(ready.model, last)
                resume.begin_phase(number, begins_at, steps_before)
                writer.phase = number
                goal = begins_at + phase.epochs
                with ready.feed.into(ready.model, phase.settings.batch_size):
                    ready.model.fit(
                        Batches(ready.feed.train, phase.settings.batch_size, run.seed, epoch, ready.views),
                        validation_data=Batches(ready.feed.validation, SCORING_BATCH),
                        initial_epoch=epoch,
                        epochs=epoch if resume.is_over and number == first else goal,
                        shuffle=False,
                        verbose=0,
                        callbacks=[stop, start, writer, AveragedWeights(), layers, shown, resume],
                    )
                last, epoch = ready.model.optimizer, len(writer.rows())
                resume.ended.append(
                    {
                        "free": phase.free,
                        "outcome": stop.outcome,
                        "epochs": epoch - begins_at,
                        "front": ready.about,
                        "seconds_of_features": ready.seconds,
                    }
                )
                if stop.outcome == "diverged":
                    break
    finally:
        if shown is not None:
            shown.close()
    rows = writer.rows()
    return {
        "outcome": stop.outcome if start.started or stop.outcome == "diverged" else "never started",
        "reason": stop.reason,
        "epochs": len(rows),
        "best_epoch": stop.best_epoch,
        "phases": resume.ended,
        "seconds": sum([row["seconds"] for row in rows] + [phase["seconds_of_features"] for phase in resume.ended]),
    }


def _prepare(
    run: Run, model: keras.Model, network: keras.Model, phase: phases.Phase, number: int, steps_before: int, jit: Jit
) -> Prepared:
    """Freeze what does not train, compute what it gives if that is worth it, and compile what trains."""
    settings = phase.settings
    chosen = stages.free(network, phase.free)
    factors = stages.rate_factors(network, settings.rate_factors)
    is_frozen = len(chosen) < len(stages.named(network))
    ready, why = None, ""
    if is_frozen and settings.cache_features:
        ready, why = _on_features(run, model, network, phase)
    if ready is None:
        ready = Prepared(model, run.feed, about=f"computed in each step{why}" if is_frozen else "")
        model.jit = jit(number)
    if number == 1 and ready.model is model:
        return ready  # compiled already
    compile_for(ready.model, settings, run.data, factors, steps_before)
    return ready


def _on_features(
    run: Run, model: keras.Model, network: keras.Model, phase: phases.Phase
) -> tuple[Prepared | None, str]:
    """Return what trains on the features of the frozen front; or None, and why not."""
    settings = phase.settings
    parts = cut(network)
    if parts is None:
        return None, ": no part of the network lies in front of all that trains"
    is_random = settings.crop_area < 1 or settings.flip or settings.colour > 0 or settings.erase > 0
    if settings.crop_size not in (None, settings.network_size):
        return None, _said(run, ": crop_size shows training other pixels than validation")
    views = run.experiment.augment_views if is_random else 1
    if not views:
        return None, _said(run, ": photos are augmented anew in each epoch (augment_views keeps some views)")
    reason = features.too_large(features.size(parts, len(run.data.train) * views + len(run.data.validation)))
    if reason:
        return None, _said(run, f": {reason}")
    about = {"fingerprint": run.data.fingerprint, "enlarge": settings.enlarge}
    enlarge = None if settings.enlarge is None else model.get_layer("enlarge")
    began = time.perf_counter()
    if is_random:
        drawn = {name: getattr(settings, name) for name in ("crop_area", "flip", "colour", "erase")}
        train = features.of_views(
            parts, run.data.train, {**about, **drawn, "seed": run.seed}, f"{run}  features", views,
            features.views_of(model, run.seed),
        )  # fmt: skip
    else:
        train = features.of_split(parts, run.data.train, about, f"{run}  features", enlarge)
    validation = features.of_split(parts, run.data.validation, about, f"{run}  features", enlarge)
    seconds = time.perf_counter() - began
    told = f"kept from {parts.layer}{f', {views} views' if views > 1 else ''}, {seconds:.1f} s"
    progress.say(f"{run}: features of the frozen front up to {parts.layer} in {seconds:.1f} s")
    return Prepared(parts.back, Feed(run.feed.kind, train, validation), views, told, seconds), ""


def _said(run: Run, why: str) -> str:
    progress.say(f"{run}: the frozen front is computed in each step{why}")
    return why


def _untrained(run: Run, model: keras.Model) -> dict[str, Any]:
    model.build(model.input_shape)
    history.replace_rows(run.history_path, run.seed, [])
    reason = "the initial weights are scored as they are"
    return {"outcome": "not trained", "reason": reason, "epochs": 0, "best_epoch": 0, "seconds": 0.0}
