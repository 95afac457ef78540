"""How good a trained model is on photos that it was not trained on."""

import keras
import numpy as np

from kerasqueeze.data.pipeline import Batches
from kerasqueeze.data.splits import Split
from kerasqueeze.training.metrics import ConfusionMetrics

SCORING_BATCH = 64


def score(model: keras.Model, split: Split) -> tuple[dict[str, float], np.ndarray]:
    """Return the metrics on the photos of a split, the loss without smoothing, and the logits (N, C)."""
    logits = model.predict(Batches(split, SCORING_BATCH), verbose=0)
    metrics = ConfusionMetrics(logits.shape[-1])
    metrics.update_state(split.labels, logits)
    found = {name: float(value) for name, value in metrics.result().items()}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(split.labels, logits)
    return {"photos": len(split), **found, "loss": float(loss)}, logits
