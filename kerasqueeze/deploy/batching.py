"""Photos of many requests computed together: a thread gathers them from a bounded queue and asks the network once.

A network computes eight photos in less time than one photo eight times, so a request waits a few milliseconds for
others, and no longer. The queue is bounded, and so is the wait: a server that cannot keep up says so at once.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from kerasqueeze.deploy.classifier import Classifier

BATCH = 4
"""Images in a batch at most: of 32 each takes as long, and while four are computed the next four are decoded."""


class Busy(Exception):
    """The photo was not computed, for there is too much to do; try again after `seconds`."""

    seconds = 1


@dataclass(frozen=True)
class Computed:
    """What the network says of one image.

    Attributes:
        probabilities: float64, of all classes (C,), calibrated.
        maps: float32 (H, W, C), whose means over all places are the logits; None if the network has none, or nobody
            in its batch asked for them.
    """

    probabilities: np.ndarray
    maps: np.ndarray | None


Waiting = tuple[np.ndarray, bool, "Future[Computed]"]
"""An image, whether its maps are wanted, and where to put what is computed."""


class Batcher:
    """A thread that computes images, in batches as they come.

    Args:
        classifier: The network; only this thread asks it.
        waiting: Images that may wait; one more is refused.
        gather: Seconds that the first image of a batch waits for others.
        hold: The same while others are known to come.
        patience: Seconds after which a request gives up.
        batch: Images in a batch at most.
    """

    def __init__(
        self,
        classifier: Classifier,
        waiting: int = 64,
        gather: float = 0.004,
        hold: float = 0.008,
        patience: float = 20.0,
        batch: int = BATCH,
    ):
        self.classifier = classifier
        self.gather, self.hold, self.patience, self.batch = gather, max(gather, hold), patience, batch
        self._queue: queue.Queue[Waiting | None] = queue.Queue(waiting)
        self._coming, self._lock = 0, threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def submit(self, image: np.ndarray, maps: bool = True) -> Future[Computed]:
        """Queue one uint8 RGB image (S, S, 3), whose maps are wanted or not.

        Raises:
            Busy: The queue is full, or closed.
        """
        future: Future[Computed] = Future()
        if self._closed.is_set():
            raise Busy("the server is stopping")
        try:
            self._queue.put_nowait((image, maps, future))
        except queue.Full:
            raise Busy(f"{self._queue.maxsize} photos are waiting already") from None
        return future

    def compute(self, images: Iterable[np.ndarray], maps: bool = True, coming: int = 0) -> list[Computed]:
        """Return what the network says of some images, all or none.

        Args:
            images: uint8 RGB (S, S, 3); each is queued as soon as it is there.
            maps: Whether their maps are wanted.
            coming: How many there will be, if they take time to be made: others wait for them, `hold` seconds at most.

        Raises:
            Busy: The queue is full, or the wait was longer than `patience`.
            Exception: What the network raised, or making the images.
        """
        futures: list[Future[Computed]] = []
        self._expect(coming)
        try:
            for image in images:
                futures.append(self.submit(image, maps))
                if coming:
                    coming -= 1
                    self._expect(-1)
            end = time.monotonic() + self.patience
            return [future.result(max(0.0, end - time.monotonic())) for future in futures]
        except TimeoutError:
            raise Busy(f"not computed within {self.patience:g} seconds") from None
        finally:
            self._expect(-coming)
            for future in futures:
                future.cancel()  # does nothing to those that are done

    def warm(self) -> None:
        """Compute black images in the batch sizes that networks compile, so that no request waits for a compiler."""
        side = self.classifier.card.pixels
        for size in sorted({1, 4, self.batch}):
            for maps in (False, True) if self.classifier.has_maps else (False,):
                self._computed(np.zeros((size, side, side, 3), np.uint8), maps)

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
                self._compute(part)
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item and item[2].set_running_or_notify_cancel():
                item[2].set_exception(Busy("the server is stopping"))

    def _expect(self, count: int) -> None:
        """Change how many images are known to come."""
        with self._lock:
            self._coming += count

    def _next(self) -> list[Waiting]:
        """Return the images of the next batch, without those that nobody waits for any more."""
        item = self._queue.get()
        began = time.monotonic()
        part = []
        while item is not None:
            if item[2].set_running_or_notify_cancel():
                part.append(item)
            left = began + (self.hold if self._coming else self.gather) - time.monotonic()
            if len(part) == self.batch:
                break
            try:
                item = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
        return part

    def _compute(self, part: list[Waiting]) -> None:
        futures = [future for _, _, future in part]
        try:
            found = self._computed(np.stack([image for image, _, _ in part]), any(maps for _, maps, _ in part))
        except BaseException as error:  # it is the requests' to hear of, and the thread goes on
            for future in futures:
                future.set_exception(error)
            return
        for future, one in zip(futures, found, strict=True):
            future.set_result(one)

    def _computed(self, images: np.ndarray, maps: bool) -> list[Computed]:
        if not (maps and self.classifier.has_maps):  # maps take a quarter longer
            return [Computed(one, None) for one in self.classifier.probabilities(images)]
        logits, found = self.classifier.maps(images)
        return [Computed(*both) for both in zip(self.classifier.calibrated(logits), found, strict=True)]
