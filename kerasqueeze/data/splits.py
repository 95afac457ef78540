"""A data set ready to train on: three splits, each a view of decoded photos."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Some of the photos in a block of pixels; nothing is copied before `batch`.

    Attributes:
        images: uint8 RGB (M, S, S, 3), memory-mapped where it comes from the cache. M may exceed the split.
        indices: int64 (N,), the row of `images` that holds each photo of the split.
        labels: int32 (N,), the class of each photo.
        names: N names, unique in the data set; for photos from files the path below the data set's folder.
    """

    images: np.ndarray
    indices: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, positions: np.ndarray | Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return uint8 images (n, S, S, 3) and int32 labels (n,) of the photos at `positions`, each in [0, N)."""
        positions = np.asarray(positions, dtype=np.int64)
        return self.images[self.indices[positions]], self.labels[positions]

    def take(self, positions: np.ndarray) -> "Split":
        """Return the split that holds only the photos at `positions`, in that order."""
        names = tuple(self.names[position] for position in positions)
        return Split(self.images, self.indices[positions], self.labels[positions], names)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Three splits that share one list of classes.

    Attributes:
        name: The registry's name.
        class_names: One name a class, in label order.
        train: Photos to learn from, `limit` applied.
        validation: Photos for every choice made while training.
        test: Photos for the one final score.
        fingerprint: 16 hex digits, a digest of names, labels and pixels of all photos before splitting.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    fingerprint: str


def stratified(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut positions in two, class by class: of n photos `round(fraction * n)`, at least 1, at most n - 1, are held out.

    Args:
        labels: Integer (N,), at least two of each class.
        fraction: Share to hold out, in (0, 1).
        seed: Non-negative; the draw for a class depends on it, the class and n alone.

    Returns:
        Positions kept and positions held out, each sorted.
    """
    kept, held_out = [], []
    for order in _shuffled_classes(labels, seed):
        count = min(max(1, round(fraction * len(order))), len(order) - 1)
        held_out.append(order[:count])
        kept.append(order[count:])
    return np.sort(np.concatenate(kept)), np.sort(np.concatenate(held_out))


def at_most(labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Return sorted positions of at most `limit` photos a class; a smaller limit keeps a subset of a larger one's."""
    return np.sort(np.concatenate([order[:limit] for order in _shuffled_classes(labels, seed)]))


def _shuffled_classes(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    return [
        np.random.default_rng([seed, int(label)]).permutation(np.flatnonzero(labels == label))
        for label in np.unique(labels)
    ]
