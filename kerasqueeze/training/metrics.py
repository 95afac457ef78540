"""Accuracy, top-5, macro precision and macro recall out of one confusion matrix kept on the device."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasqueeze")
class ConfusionMetrics(keras.metrics.Metric):
    """Count a confusion matrix over the batches and derive the study's metrics from it.

    `result()` is a dict: `accuracy`, `top5` (the true class is among the five highest scores), `precision` and
    `recall` (macro: the plain mean over all classes, a class without a prediction or a photo counting 0, as
    scikit-learn with `average="macro", zero_division=0`).

    Args:
        classes: Number of classes C. The counts are exact up to 2**24 photos a cell.
        name: Name of the metric.
    """

    def __init__(self, classes: int, name: str = "confusion", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.matrix = self.add_weight(shape=(classes, classes), initializer="zeros", name="matrix")
        self.in_top5 = self.add_weight(shape=(), initializer="zeros", name="in_top5")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch: labels (N,), scores (N, C); weights are not supported, all photos count one.

        Raises:
            ValueError: If `sample_weight` is given.
        """
        if sample_weight is not None:
            raise ValueError(f"ConfusionMetrics counts photos and takes no weights. Received: {sample_weight!r}")
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        scores = ops.cast(y_pred, "float32")
        predicted = ops.argmax(scores, axis=-1)
        # A product of one-hot rows, not a scatter: exact, and quick on every device.
        rows, columns = ops.one_hot(labels, self.classes), ops.one_hot(predicted, self.classes)
        self.matrix.assign_add(ops.matmul(ops.transpose(rows), columns))
        hits = ops.in_top_k(labels, scores, k=min(5, self.classes))
        self.in_top5.assign_add(ops.sum(ops.cast(hits, "float32")))

    def result(self) -> dict[str, Any]:
        """Return the four metrics as scalars from 0 to 1; all are 0 before the first batch."""
        matrix = ops.convert_to_tensor(self.matrix)
        right = ops.diagonal(matrix)
        photos = ops.maximum(ops.sum(matrix), 1.0)
        return {
            "accuracy": ops.sum(right) / photos,
            "top5": self.in_top5 / photos,
            "precision": ops.mean(right / ops.maximum(ops.sum(matrix, axis=0), 1.0)),
            "recall": ops.mean(right / ops.maximum(ops.sum(matrix, axis=1), 1.0)),
        }

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "classes": self.classes}
