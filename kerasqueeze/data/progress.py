"""Word from long preparations to whoever waits for them."""

import sys
import time
from typing import TextIO


class Progress:
    """Silence; subclass it to be told."""

    def update(self, task: str, done: int, total: int) -> None:
        """`done` of `total` photos of `task` are finished; called often."""

    def note(self, text: str) -> None:
        """One line that the user has to see."""


class TerminalProgress(Progress):
    """One line on a terminal that counts up; without a terminal one line a finished task.

    Args:
        stream: Where to write; default standard error.
    """

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream or sys.stderr
        self._start = self._last = 0.0

    def update(self, task: str, done: int, total: int) -> None:
        """Write the count, at most ten times a second."""
        now = time.monotonic()
        if done <= 1:
            self._start = now
        terminal = self._stream.isatty()
        if done < total and (not terminal or now - self._last < 0.1):
            return
        self._last = now
        text = f"{task}: {done} of {total} photos, {now - self._start:.0f} s"
        self._write(f"\r\x1b[K{text}" if terminal else text, end="\n" if done >= total else "")

    def note(self, text: str) -> None:
        """Write the line."""
        self._write(f"\r\x1b[K{text}" if self._stream.isatty() else text, end="\n")

    def _write(self, text: str, end: str) -> None:
        self._stream.write(text + end)
        self._stream.flush()
