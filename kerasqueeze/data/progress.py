"""Word from long preparations to whoever waits for them."""

import time
from typing import TextIO

from kerasqueeze import progress


class Progress:
    """Silence; subclass it to be told."""

    def update(self, task: str, done: int, total: int) -> None:
        """`done` of `total` photos of `task` are finished; called often."""

    def note(self, text: str) -> None:
        """One line that tells what happens."""

    def warn(self, text: str) -> None:
        """One line that the user has to see."""
        self.note(text)


class TerminalProgress(Progress):
    """A bar on a terminal; one line a finished task there and elsewhere.

    Args:
        stream: Where to write; default standard error.
    """

    def __init__(self, stream: TextIO | None = None):
        self._stream, self._bar, self._began = stream, None, 0.0

    def update(self, task: str, done: int, total: int) -> None:
        """Move the bar; at the end write the line."""
        if done <= 1:
            self._close()
            self._began = time.monotonic()
            self._bar = progress.bar(task, task, total, "photo", self._stream)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
        if done >= total:
            self._close()
            progress.say(f"{task}: {done} of {total} photos, {time.monotonic() - self._began:.0f} s", self._stream)

    def note(self, text: str) -> None:
        """Write the line."""
        progress.say(text, self._stream)

    def warn(self, text: str) -> None:
        """Write the line, whether quiet or not."""
        progress.warn(text, self._stream)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
