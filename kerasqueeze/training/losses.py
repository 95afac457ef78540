"""The loss of the study."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasqueeze")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy of logits with class numbers as labels and label smoothing, the mean over the photos.

    The target gives the true class 1 − s + s / C and each other class s / C. Keras smooths one-hot labels only.
    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (arXiv 1512.00567), section 7.

    Args:
        smoothing: The share s, from 0 up, below 1.
    """

    mean_over_images = True

    def __init__(self, smoothing: float, name: str = "smoothed_cross_entropy", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the losses (N,) of labels (N,) or (N, 1) and logits (N, C)."""
        plain = ops.sparse_categorical_crossentropy(ops.reshape(y_true, (-1,)), y_pred, from_logits=True)
        even = -ops.mean(ops.log_softmax(y_pred), axis=-1)
        return (1 - self.smoothing) * plain + self.smoothing * even

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "smoothing": self.smoothing}


def build(label_smoothing: float) -> keras.losses.Loss:
    """Return the loss: Keras' own cross-entropy of logits, or the smoothed one."""
    if label_smoothing:
        return SmoothedCrossEntropy(label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
