"""How far the probabilities of a trained network can be taken at their word: temperature scaling.

Source: Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599), section 4.2.
"""

import numpy as np
from scipy import optimize, special

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature T at which softmax(logits / T) has the lowest cross-entropy.

    One number for all classes: it changes no prediction, only how sure the network says that it is. T > 1 where the
    network is too sure of itself.

    Args:
        logits: (N, C), of photos that the network was not trained on.
        labels: True classes (N,).

    Returns:
        T from `LOWEST` to `HIGHEST`; 1 where there is nothing to fit it by, or the logits are not finite.
    """
    logits = np.asarray(logits, np.float64)
    if not len(logits) or not np.isfinite(logits).all():
        return 1.0
    true = np.take_along_axis(logits, np.asarray(labels, np.int64)[:, None], axis=1)[:, 0]

    def cross_entropy(inverse: float) -> float:  # convex in 1 / T
        return float(np.mean(special.logsumexp(logits * inverse, axis=1) - true * inverse))

    found = optimize.minimize_scalar(cross_entropy, bounds=(1 / HIGHEST, 1 / LOWEST), method="bounded")
    return round(1 / float(found.x), 4)


def confidence(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return the probability of the predicted class of each photo, (N, C) logits to (N,)."""
    return special.softmax(np.asarray(logits, np.float64) / temperature, axis=1).max(axis=1)
