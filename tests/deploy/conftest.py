"""Small networks in files, as runs leave them."""

import sys
from collections.abc import Callable, Iterator

import pytest
from deploy_networks import classifier

from kerasqueeze import progress
from kerasqueeze.commands import main
from kerasqueeze.deploy.export import to_onnx
from kerasqueeze.deploy.runtimes import keras_runtime
from kerasqueeze.models import card


@pytest.fixture(scope="session")
def tiny() -> keras_runtime.KerasClassifier:
    """A SqueezeNet 1.1 of five classes for images of 64 pixels."""
    return classifier()


@pytest.fixture(scope="session")
def tiny_file(tiny, tmp_path_factory):
    """The same in a `.keras` file with its card."""
    path = tmp_path_factory.mktemp("models") / "tiny_seed3.keras"
    tiny.network.save(path)
    card.add(path, tiny.card)
    return path


@pytest.fixture(scope="session")
def tiny_onnx(tiny, tmp_path_factory):
    """The same as an ONNX file."""
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    to_onnx.write(tiny, path)
    return path


@pytest.fixture
def call(capfd, monkeypatch) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Call a command within this process; return its exit code and what it wrote."""

    def called(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kerasqueeze", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main.main()
        return (int(left.value.code or 0), *capfd.readouterr())

    yield called
    progress.set_quiet(False)
