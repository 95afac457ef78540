"""Train one run, from the start or from where it was stopped."""

from typing import Any

import keras

from kerasqueeze import history, progress
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.training.callbacks import (
    AveragedWeights,
    HistoryWriter,
    LayersWriter,
    NeverStarted,
    Progress,
    StopAtOverfitting,
)
from kerasqueeze.training.resume import Resume, States
from kerasqueeze.training.run import Run
from kerasqueeze.training.scoring import SCORING_BATCH


def fit(run: Run, model: keras.Model, states: States) -> dict[str, Any]:
    """Train from the newest state, or from the start; leave the best weights in the model.

    Args:
        run: What is trained, on what; its history and its log of layers are written epoch by epoch.
        model: Of `model.training_model`.
        states: Where the run's states are saved, and found.

    Returns:
        What the record says of the training: outcome, reason, epochs, best epoch, and the seconds of its epochs.

    Raises:
        UserError: The saved state was made from other settings, data or code.
        Interrupted: SIGINT or SIGTERM stopped it; the state is saved.
    """
    if not run.experiment.epochs:
        return _untrained(run, model)
    stop, start = (
        StopAtOverfitting(run.experiment.patience, run.experiment.keep),
        NeverStarted(len(run.data.class_names)),
    )
    writer = HistoryWriter(run.history_path, run.seed, run.photos_per_epoch)
    layers = LayersWriter(run.layers_path, run.seed)
    resume = Resume(states, states.newest(), stop, start, writer)
    shown = Progress(str(run))
    epoch, step = resume.position
    if epoch or step:
        progress.say(f"{run}: goes on after {epoch} epochs and {step} steps")
    batch_size = run.experiment.batch_size
    try:
        with resume.on_signals(), run.feed.into(model, batch_size):
            model.fit(
                Batches(run.feed.train, batch_size, seed=run.seed, first_epoch=epoch),
                validation_data=Batches(run.feed.validation, SCORING_BATCH),
                initial_epoch=epoch,
                epochs=epoch if resume.is_over else run.experiment.epochs,
                shuffle=False,
                verbose=0,
                callbacks=[stop, start, writer, AveragedWeights(), layers, shown, resume],
            )
    finally:
        shown.close()
    rows = writer.rows()
    return {
        "outcome": stop.outcome if start.started or stop.outcome == "diverged" else "never started",
        "reason": stop.reason,
        "epochs": len(rows),
        "best_epoch": stop.best_epoch,
        "seconds": sum(row["seconds"] for row in rows),
    }


def _untrained(run: Run, model: keras.Model) -> dict[str, Any]:
    model.build(model.input_shape)
    history.replace_rows(run.history_path, run.seed, [])
    reason = "the initial weights are scored as they are"
    return {"outcome": "not trained", "reason": reason, "epochs": 0, "best_epoch": 0, "seconds": 0.0}
