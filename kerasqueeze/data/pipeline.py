"""Batches whose order is a function of seed and epoch alone."""

from concurrent.futures import Future, ThreadPoolExecutor

import keras
import numpy as np

from kerasqueeze.data.splits import Split
from kerasqueeze.errors import UserError

_Batch = tuple[np.ndarray, np.ndarray]


class Batches(keras.utils.PyDataset):
    """Feed of one split for `fit`, `evaluate` and `predict`.

    Without a seed: the split in its order, the last batch may be smaller. With one: every epoch in a new order that
    depends on (seed, epoch, len(split)) alone, the remainder dropped so that all batches have one shape. Make a new
    feed for each `fit`, with `first_epoch` equal to its `initial_epoch`, and pass `shuffle=False`: Keras would shuffle
    the batches once more, from a generator that nobody seeded. (That is noticed and refused.)

    While a batch is in use, a thread gathers the next one from disk.

    Args:
        split: The photos.
        batch_size: Photos a batch.
        seed: Non-negative, or None for no shuffling.
        first_epoch: The epoch to begin with.
        views: The split holds so many views of each photo, one block behind the other; an epoch goes through one block,
            the next epoch through the next.

    Attributes:
        epoch: The epoch that is handed out; `fit` moves it on, a loop of your own sets it.

    Raises:
        UserError: The split does not fill a batch.
    """

    def __init__(self, split: Split, batch_size: int, seed: int | None = None, first_epoch: int = 0, views: int = 1):
        super().__init__()
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size!r}; expected at least 1")
        if len(split) < (batch_size if seed is not None else 1):
            raise UserError(f"{len(split)} photos do not fill a batch of {batch_size}; choose a smaller batch_size")
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.views = views
        self.epoch = first_epoch
        self._order: tuple[int, np.ndarray] | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._ahead: tuple[tuple[int, int], Future[_Batch]] | None = None
        self._next: int | None = None  # within an epoch of `fit`: the only index that is in order
        self._before_fit = True

    def __len__(self) -> int:
        whole, rest = divmod(len(self.split) // self.views, self.batch_size)
        return whole + (1 if rest and self.seed is None else 0)

    def positions(self, epoch: int) -> np.ndarray:
        """Return the positions in the split in the order of an epoch."""
        photos = len(self.split) // self.views
        if self.seed is None:
            return np.arange(photos)
        order = np.random.default_rng([self.seed, epoch]).permutation(photos)
        return order + photos * (epoch % self.views)

    def __getitem__(self, index: int) -> _Batch:
        """Return uint8 images (n, S, S, 3) and int32 labels (n,) of one batch of the current epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        if self._next is not None:
            if index != self._next:
                raise UserError(
                    f"Keras asks for batch {index} where {self._next} is due; pass shuffle=False, and no "
                    "steps_per_epoch, to fit"
                )
            self._next += 1
        key = (self.epoch, index)
        ahead, self._ahead = self._ahead, None
        batch = ahead[1].result() if ahead is not None and ahead[0] == key else self._gather(*key)
        if index + 1 < len(self):
            key = (self.epoch, index + 1)
            self._ahead = key, self._worker.submit(self._gather, *key)
        return batch

    def on_epoch_begin(self) -> None:
        """Begin an epoch; Keras calls this."""
        self._next = 0

    def on_epoch_end(self) -> None:
        """Go on to the next epoch if all of this one was handed out; Keras calls this."""
        # Once, before epoch 0, fit ends an "epoch" in which it drew no batch, or one to build the model from.
        if not self._before_fit and self._next == len(self):
            self.epoch += 1
        self._before_fit = False
        self._next = None

    def _gather(self, epoch: int, index: int) -> _Batch:
        order = self._order
        if order is None or order[0] != epoch:
            order = self._order = epoch, self.positions(epoch)
        return self.split.batch(order[1][index * self.batch_size : (index + 1) * self.batch_size])
