"""Photos of many requests computed together: a thread gathers them from a bounded queue and asks the network once.

A network computes eight photos in less time than one photo eight times, so a request waits a few milliseconds for
others, and no longer. The queue is bounded, and so is the wait: a server that cannot keep up says so at once.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from kerasqueeze.deploy.classifier import BATCH, Classifier


class Busy(Exception):
    """The photo was not computed, for there is too much to do; try again after `seconds`."""

    seconds = 2


@dataclass(frozen=True)
class Computed:
    """What the network says of one image.

    Attributes:
        probabilities: float64, of all classes (C,), calibrated.
        maps: float32 (H, W, C), whose means over all places are the logits; None if the network has none.
    """

    probabilities: np.ndarray
    maps: np.ndarray | None


class Batcher:
    """A thread that computes images, in batches as they come.

    Args:
        classifier: The network; only this thread asks it.
        waiting: Images that may wait; one more is refused.
        gather: Seconds that the first image of a batch waits for others.
        patience: Seconds after which a request gives up.
        batch: Images in a batch at most.
    """

    def __init__(
        self,
        classifier: Classifier,
        waiting: int = 64,
        gather: float = 0.004,
        patience: float = 20.0,
        batch: int = BATCH,
    ):
        self.classifier = classifier
        self.gather, self.patience, self.batch = gather, patience, batch
        self._queue: queue.Queue[tuple[np.ndarray, Future[Computed]] | None] = queue.Queue(waiting)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def submit(self, image: np.ndarray) -> Future[Computed]:
        """Queue one uint8 RGB image (S, S, 3).

        Raises:
            Busy: The queue is full, or closed.
        """
        future: Future[Computed] = Future()
        if self._closed.is_set():
            raise Busy("the server is stopping")
        try:
            self._queue.put_nowait((image, future))
        except queue.Full:
            raise Busy(f"{self._queue.maxsize} photos are waiting already") from None
        return future

    def compute(self, images: Sequence[np.ndarray]) -> list[Computed]:
        """Return what the network says of some images, all or none.

        Raises:
            Busy: The queue is full, or the wait was longer than `patience`.
            Exception: What the network raised.
        """
        futures: list[Future[Computed]] = []
        end = time.monotonic() + self.patience
        try:
            for image in images:
                futures.append(self.submit(image))
            return [future.result(max(0.0, end - time.monotonic())) for future in futures]
        except TimeoutError:
            raise Busy(f"not computed within {self.patience:g} seconds") from None
        finally:
            for future in futures:
                future.cancel()  # does nothing to those that are done

    def warm(self) -> None:
        """Compute black images in the batch sizes that networks compile, so that no request waits for a compiler."""
        side = self.classifier.card.pixels
        for size in (1, 8, self.batch):
            self._computed(np.zeros((size, side, side, 3), np.uint8))

    def close(self) -> None:
        """Stop the thread; requests that still wait are refused."""
        self._closed.set()
        with contextlib.suppress(queue.Full):  # then it sees the flag after its batch
            self._queue.put_nowait(None)
        self._thread.join(self.patience)

    def _work(self) -> None:
        while not self._closed.is_set():
            part = self._next()
            if part:
                self._compute([image for image, _ in part], [future for _, future in part])
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item and item[1].set_running_or_notify_cancel():
                item[1].set_exception(Busy("the server is stopping"))

    def _next(self) -> list[tuple[np.ndarray, "Future[Computed]"]]:
        """Return the images of the next batch, without those that nobody waits for any more."""
        item = self._queue.get()
        end = time.monotonic() + self.gather
        part = []
        while item is not None:
            if item[1].set_running_or_notify_cancel():
                part.append(item)
            left = end - time.monotonic()
            if len(part) == self.batch:
                break
            try:
                item = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
        return part

    def _compute(self, images: list[np.ndarray], futures: "list[Future[Computed]]") -> None:
        try:
            found = self._computed(np.stack(images))
        except BaseException as error:  # it is the requests' to hear of, and the thread goes on
            for future in futures:
                future.set_exception(error)
            return
        for future, one in zip(futures, found, strict=True):
            future.set_result(one)

    def _computed(self, images: np.ndarray) -> list[Computed]:
        if not self.classifier.has_maps:
            return [Computed(one, None) for one in self.classifier.probabilities(images)]
        logits, maps = self.classifier.maps(images)
        return [Computed(*both) for both in zip(self.classifier.calibrated(logits), maps, strict=True)]
