"""The one network of the process: what the views ask, with a bound on how much is in work at one time."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.http import HttpRequest
from PIL import Image

from kerasqueeze.data.decode import BrokenPhoto
from kerasqueeze.deploy import explain, photos
from kerasqueeze.deploy.batching import Batcher, Busy, Computed
from kerasqueeze.deploy.classifier import Classifier, top
from kerasqueeze.deploy.web import uploads
from kerasqueeze.errors import UserError

TOP = 5
HEAT_SIDE = 128
"""Pixels of a map's picture; the browser stretches it over the photo."""


@dataclass(frozen=True)
class SeenClass:
    """A class that a photo may show.

    Attributes:
        number: The class's.
        label: Its name for people.
        probability: Calibrated.
        heat: The map of what speaks for it, a PNG; None where there is none.
    """

    number: int
    label: str
    probability: float
    heat: bytes | None = None


@dataclass(frozen=True)
class Seen:
    """What the network says of a photo.

    Attributes:
        guesses: The most probable classes, highest first.
        network: The network's name.
        kind: How the maps are made, "" without maps.
        squashed: Whether the network sees the whole photo squashed, and not the middle square.
        seconds: From the photo's bytes to this, waiting included.
    """

    guesses: tuple[SeenClass, ...]
    network: str
    kind: str
    squashed: bool
    seconds: float


class Network:
    """A classifier with its queue.

    Args:
        classifier: The network, warm.
        queue: Photos that may be in work or wait; one more is refused.
        workers: Photos that are decoded at one time, each of which takes memory.
        patience: Seconds that a request waits at most for each of its steps.
        name: What people call it; default the classifier's.
    """

    def __init__(
        self, classifier: Classifier, queue: int = 32, workers: int = 4, patience: float = 20.0, name: str = ""
    ):
        self.classifier, self.patience, self.name = classifier, patience, name or classifier.name
        # The places bound what waits; more fits the queue, for photos of refused requests stay there until their turn.
        self.batcher = Batcher(classifier, waiting=4 * queue, patience=patience)
        self._places = threading.BoundedSemaphore(queue)
        self._decoders = threading.BoundedSemaphore(workers)
        self._explainer = threading.Lock()

    def look(self, data: bytes) -> tuple[Image.Image, Seen]:
        """Return a photo, its longest side `STORED_SIDE` at most, and what the network says of it with maps.

        Raises:
            Refused: It is no photo.
            Busy: There is too much to do.
        """
        start = time.perf_counter()
        with self._place():
            image, square = self._decoded(data, kept=settings.STORED_SIDE)
            computed = self.batcher.compute([square])[0]
            chosen = top(computed.probabilities, TOP)
            maps, kind = self._maps(square, computed, chosen)
        heats = [_png(place) for place in maps] if maps is not None else None
        return image, self._seen(computed, chosen, heats, kind, time.perf_counter() - start)

    def predict(self, files: Sequence[bytes]) -> list[Seen]:
        """Return what the network says of some photos, without maps.

        Raises:
            Refused: One is no photo; the message says which of several.
            Busy: There is too much to do.
        """
        start = time.perf_counter()
        with self._place(len(files)):
            numbers = range(1, len(files) + 1) if len(files) > 1 else [0]
            squares = (self._square(number, data) for number, data in zip(numbers, files, strict=True))
            found = self.batcher.compute(squares, maps=False, coming=len(files))
        seconds = time.perf_counter() - start
        return [self._seen(one, top(one.probabilities, TOP), None, "", seconds) for one in found]

    def close(self) -> None:
        """Stop the thread that computes."""
        self.batcher.close()

    @contextlib.contextmanager
    def _place(self, photos: int = 1) -> Iterator[None]:
        """Hold a place for each photo; asked for before any is decoded, which would be for nothing."""
        held = 0
        try:
            while held < photos:
                if not self._places.acquire(blocking=False):
                    raise Busy("too many photos are in work")
                held += 1
            yield
        finally:
            for _ in range(held):
                self._places.release()

    def _square(self, number: int, data: bytes) -> np.ndarray:
        """Return a photo as the network takes it; of several it has a number."""
        try:
            return self._decoded(data)[1]
        except uploads.Refused as error:
            if not number:
                raise
            raise uploads.Refused(error.status, error.code, f"Photo {number}: {error.message}") from None

    def _decoded(self, data: bytes, kept: int = 1) -> tuple[Image.Image, np.ndarray]:
        """Return a photo, made as small as it is kept, and its pixels as the network takes them."""
        if not self._decoders.acquire(timeout=self.patience):
            raise Busy("too many photos are being decoded")
        try:
            image = uploads.pixels(data)
            return uploads.within(image, kept), photos.of_image(image, self.classifier.card)
        except BrokenPhoto:
            raise uploads.broken() from None
        finally:
            self._decoders.release()

    def _maps(self, square: np.ndarray, computed: Computed, chosen: np.ndarray) -> tuple[np.ndarray | None, str]:
        """Return the maps (K, H, W) of some classes and how they are made; None where there are none."""
        if computed.maps is not None:
            return np.moveaxis(computed.maps[..., chosen], -1, 0), explain.EXACT
        if self.classifier.runtime != "keras" or not self._explainer.acquire(timeout=self.patience):
            return None, ""
        try:  # one at a time: it takes as long as many photos
            return explain.grad_cam(self.classifier, square, chosen.tolist()), explain.GRADIENT
        except UserError:
            return None, ""
        finally:
            self._explainer.release()

    def _seen(
        self, computed: Computed, chosen: np.ndarray, heats: list[bytes] | None, kind: str, seconds: float
    ) -> Seen:
        guesses = tuple(
            SeenClass(
                int(number),
                self.classifier.class_names[number],
                float(computed.probabilities[number]),
                None if heats is None else heats[rank],
            )
            for rank, number in enumerate(chosen)
        )
        return Seen(guesses, self.name, kind, self.classifier.card.resize == "squash", seconds)


_current: Network | None = None


def use(network: Network | None) -> None:
    """Let the views ask this network."""
    global _current
    _current = network


def current() -> Network:
    """Return the network that the views ask.

    Raises:
        Busy: It is not loaded yet.
    """
    if _current is None:
        raise Busy("the network is not loaded yet")
    return _current


def in_templates(request: HttpRequest) -> dict[str, Any]:
    """Return what every page shows of the network and the site."""
    return {
        "network_name": _current.name if _current is not None else "",
        "classes": len(_current.classifier.class_names) if _current is not None else 0,
        "site": settings,
    }


def _png(place: np.ndarray) -> bytes:
    return photos.as_png(explain.heat(place, HEAT_SIDE))
