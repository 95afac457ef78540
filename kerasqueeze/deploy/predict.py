"""Classes and probabilities of photos, decoding and network at work side by side."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kerasqueeze.data.decode import BrokenPhoto
from kerasqueeze.deploy.classifier import BATCH, Classifier, top
from kerasqueeze.deploy.photos import Photo, decoded

TOP = 5


@dataclass(frozen=True)
class Prediction:
    """What a network says about a photo.

    Attributes:
        photo: The photo.
        probabilities: Of all classes (C,), calibrated.
        failed: Why there are none, or "".
    """

    photo: Photo
    probabilities: np.ndarray | None
    failed: str = ""

    def top(self, count: int = TOP) -> list[tuple[int, float]]:
        """Return the most probable classes with their probabilities; nothing if it failed."""
        if self.probabilities is None:
            return []
        return [(int(number), float(self.probabilities[number])) for number in top(self.probabilities, count)]


def predict(classifier: Classifier, photos: Sequence[Photo], batch: int = BATCH) -> Iterator[Prediction]:
    """Yield a prediction for each photo, in order; a photo that cannot be read yields one that says why."""
    with ThreadPoolExecutor(1, thread_name_prefix="network") as network:
        before: tuple[list, object] | None = None
        for part in _batches(classifier, photos, batch):
            images = [pixels for _, pixels in part if not isinstance(pixels, BrokenPhoto)]
            found = network.submit(classifier.probabilities, np.stack(images)) if images else None
            if before is not None:
                yield from _results(*before)
            before = part, found
        if before is not None:
            yield from _results(*before)


def _batches(classifier: Classifier, photos: Sequence[Photo], batch: int) -> Iterator[list]:
    """Yield lists of photos with their pixels."""
    part: list = []
    for item in decoded(photos, classifier.card):
        part.append(item)
        if len(part) == batch:
            yield part
            part = []
    if part:
        yield part


def _results(part: list, found) -> Iterator[Prediction]:
    rows = iter(found.result() if found is not None else ())
    for photo, pixels in part:
        if isinstance(pixels, BrokenPhoto):
            yield Prediction(photo, None, pixels.reason)
        else:
            yield Prediction(photo, next(rows))
