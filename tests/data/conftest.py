import time

import pytest

from kerasqueeze.data.progress import Progress


class Heard(Progress):
    """Keeps what it is told."""

    def __init__(self):
        self.notes: list[str] = []
        self.updates: list[tuple[str, int, int]] = []

    def update(self, task: str, done: int, total: int) -> None:
        self.updates.append((task, done, total))

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def eventually():
    """Wait until a condition holds."""

    def wait(condition, seconds: float = 60.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.01)

    return wait
