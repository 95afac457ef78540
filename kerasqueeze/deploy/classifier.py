"""A trained network ready to use, whatever computes it: pixels in, logits, probabilities and class maps out."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from kerasqueeze.class_names import readable
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card

BATCH = 32
"""Images that are computed together where there are enough."""


class Classifier(ABC):
    """What each runtime's module gives.

    Attributes:
        card: What the network takes and gives, and where it came from.
        path: The file it was read from; None for ImageNet's own network.
        class_names: The classes as people read them, in order.
    """

    runtime: str
    has_maps: bool = False
    """Whether the logits are the means of `maps`."""

    def __init__(self, card: Card, path: Path | None = None):
        self.card = card
        self.path = path
        self.class_names = readable(card.class_names)

    @abstractmethod
    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32 logits (N, C) of uint8 RGB images (N, S, S, 3), S being `card.pixels`, N at least 1."""

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return calibrated float64 probabilities (N, C) of uint8 RGB images (N, S, S, 3)."""
        return self.calibrated(self.logits(images))

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities of logits (N, C) at the card's temperature.

        Raises:
            UserError: The logits are no finite numbers.
        """
        if not np.isfinite(logits).all():
            raise UserError(f"{self.name} computes what is no number; its file is damaged: export or train it anew")
        return softmax(np.asarray(logits, np.float64) / self.card.temperature)

    def maps(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (N, C) and the maps (N, H, W, C) whose means over all places they are.

        Raises:
            UserError: The network's head is no convolution before the average, or the file does not give its maps.
        """
        raise UserError(f"{self.name} gives no class maps; explain it through its .keras file")

    def warm(self) -> None:
        """Compute one black image, so that the first photo does not wait for a compiler."""
        self.logits(np.zeros((1, self.card.pixels, self.card.pixels, 3), np.uint8))

    @property
    def name(self) -> str:
        """The network's name for people: its file's, without suffix."""
        return self.path.stem if self.path is not None else str(self.card.origin.get("name", "network"))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return exp(x) over its sum along the last axis, computed from x less its maximum."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def top(probabilities: np.ndarray, count: int) -> np.ndarray:
    """Return the classes of the `count` highest of (C,) probabilities, highest first; of equals the first class."""
    return np.argsort(-probabilities, kind="stable")[:count]
