"""The asking side of a benchmark: worker processes that answer commands with lines of JSON."""

import contextlib
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

PATIENCE = 900.0
"""Seconds after which a worker that says nothing counts as failed."""


class Missing(Exception):
    """A contestant is not installed; the text is the missing module's name."""


class Failed(Exception):
    """A worker broke down; the text is one line."""


class Worker:
    """One process. Its input ends with ours, so it ends too, however we end.

    Args:
        command: What to start, with its arguments.
        environment: Changes to this process' environment; None takes a variable away.
        patience: Seconds after which it counts as failed when it says nothing; None for `PATIENCE`.

    Raises:
        Failed: It cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str | None] | None = None,
        patience: float | None = None,
    ):
        self._buffer = b""
        self._patience = patience
        changed = {**os.environ, **(environment or {})}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={name: value for name, value in changed.items() if value is not None},
                start_new_session=True,  # an interrupt at the terminal is ours to handle
            )
        except OSError as error:
            self._errors.close()
            raise Failed(f"{command[0]} does not start: {error.strerror}") from error

    def read(self) -> dict[str, Any]:
        """Wait for the next message.

        Raises:
            Missing: It says that a module is not installed.
            Failed: It ended, broke down, or says nothing for as long as its patience.
        """
        patience = PATIENCE if self._patience is None else self._patience
        deadline = time.monotonic() + patience
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Failed(f"no answer within {patience:.0f} s")
            received = os.read(pipe, 65536)
            if not received:
                raise Failed(f"ended with code {self._process.wait()}: {self._last_words()}")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = json.loads(line)
        except ValueError:
            raise Failed(f"said {line.decode(errors='replace')[:200]!r} where JSON is due") from None
        if "missing" in message:
            raise Missing(message["missing"])
        if "error" in message:
            raise Failed(message["error"])
        return message

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command and return the answer; raises as `read` does."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `read` tells how it ended
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()
        return self.read()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()
        self._errors.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "no message"
