"""What tests share: real photos and weights, a cache, quick compilation and terminals of their own."""

import os
import select
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # A core for each worker, before JAX counts them: XLA's threads wait for each other, and for what else runs.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) % len(cores)]})

import jax

import kerasqueeze  # noqa: F401  (chooses the Keras backend before any test imports keras)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the user's own cache out of the tests, those that start processes included."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["KERASQUEEZE_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="module")
def quick_compilation():
    """Compile with few optimisations, here and in processes that are started: programs that run a few times."""
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    del os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"]


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} does not name a folder")
    return Path(value)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with stanford_dogs/, stanford_dogs_archives/, imagenet/ and others, unpacked."""
    return _folder("KERASQUEEZE_TEST_DATA")


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """Folder with squeezenet1_0-*.pth and squeezenet1_1-*.pth in torchvision's layout."""
    return _folder("KERASQUEEZE_TEST_WEIGHTS")


class Terminal:
    """A pseudo-terminal: `stream` writes to it.

    Attributes:
        text: All that was written, as `read` found it.
    """

    def __init__(self, columns: int):
        fcntl, termios = (pytest.importorskip(name) for name in ("fcntl", "termios"))
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream, self.text = os.fdopen(slave, "w", encoding="utf-8"), ""

    def read(self) -> str:
        """Add what was written since, and return all."""
        self.stream.flush()
        found = b""
        while select.select([self.master], [], [], 0.05)[0]:
            found += os.read(self.master, 1 << 16)
        self.text += found.decode()
        return self.text

    def screen(self) -> list[str]:
        """Return the lines that a person sees in the end, without those that are empty."""
        lines = []
        for written in self.text.split("\r\n"):
            line = ""
            for part in written.split("\r"):
                line = part + line[len(part) :]
            lines.append(line.rstrip())
        return [line for line in lines if line]


@pytest.fixture
def terminal() -> Iterator[Callable[[int], Terminal]]:
    """Return what makes a terminal so many columns wide."""
    made: list[Terminal] = []

    def make(columns: int) -> Terminal:
        made.append(Terminal(columns))
        return made[-1]

    yield make
    for one in made:
        one.stream.close()
        os.close(one.master)
