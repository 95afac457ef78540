"""Can a network's probabilities be taken at their word? Reliability diagrams and expected calibration error.

Source: Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599), section 2.
"""

from typing import NamedTuple

import numpy as np

BINS = 15


class Reliability(NamedTuple):
    """Photos in bins of equal width by the probability of the predicted class; empty bins are left out.

    Attributes:
        photos: How many are in each bin.
        confidence: Their mean probability.
        accuracy: The share of them that is right.
    """

    photos: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean of |accuracy - confidence|, bins weighted by their photos."""
        return float((self.photos * np.abs(self.accuracy - self.confidence)).sum() / max(1, self.photos.sum()))


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """Put N photos into bins.

    Args:
        confidence: Probability of the predicted class (N,), from 0 to 1; a bin holds its upper end.
        right: Whether the predicted class is the true one (N,).
        bins: How many of equal width there are.
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, float)
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    photos = np.bincount(place, minlength=bins)
    there = photos > 0
    means = [np.bincount(place, values, bins)[there] / photos[there] for values in (confidence, right)]
    return Reliability(photos[there], *means)
