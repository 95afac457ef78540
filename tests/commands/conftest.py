"""How the tests here call a command within this process, and the file that an installer makes of it."""

import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_processes import ROOT

from kerasqueeze import progress
from kerasqueeze.bench import speed
from kerasqueeze.commands import main
from kerasqueeze.errors import Interrupted
from kerasqueeze.training import runner


@pytest.fixture
def typed(capfd, monkeypatch) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Call a command within this process; return its exit code, 99 where it would begin to work, and what it wrote."""

    def train(*arguments: object, **options: object) -> None:
        raise Interrupted(99 - 128, "would begin")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kerasqueeze", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main.main()
        code = left.value.code
        assert isinstance(code, int)
        return (code, *capfd.readouterr())

    monkeypatch.setattr(runner, "run", train)
    monkeypatch.setattr(speed, "run", train)
    yield call
    progress.set_quiet(False)


@pytest.fixture(scope="session")
def launcher(tmp_path_factory) -> Path:
    """The file that an installer makes of `[project.scripts]`."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        module, function = tomllib.load(file)["project"]["scripts"]["kerasqueeze"].split(":")
    path = tmp_path_factory.mktemp("bin") / "kerasqueeze"
    path.write_text(
        f"import sys\nfrom {module} import {function}\nif __name__ == '__main__':\n    sys.exit({function}())\n"
    )
    return path
