"""`kerasqueeze`, `python -m kerasqueeze` and the scripts: the same commands, started fast."""

import os
import sys
from pathlib import Path

import pytest
from command_processes import ROOT, process

from kerasqueeze.commands import main
from kerasqueeze.startup import command, hugepages


def ways(launcher: Path, name: str) -> list[tuple[object, ...]]:
    script = ROOT / "scripts" / f"{name.replace('-', '_')}.py"
    return [(launcher, name), ("-m", "kerasqueeze", name), (script,)]


def test_help_lists_the_commands_with_a_line_each(launcher):
    done = process(launcher, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("run", "study", "compare", "report", "sweep", "bench", "check-port"):
        assert sum(line.startswith(f"  {name} ") and len(line.split()) > 3 for line in done.stdout.splitlines()) == 1
    assert process("-m", "kerasqueeze", "--help").stdout == done.stdout


def test_version(launcher):
    assert process(launcher, "--version").stdout == "kerasqueeze 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (
            ["rum"],
            "unknown command 'rum'; choose from: bench, check-port, compare, evaluate, explain, export, inspect",
        ),
        (["--verbose"], "the following arguments are required: COMMAND"),
        (["run", "--verbose"], "unrecognized arguments: --verbose"),
    ],
)
def test_what_is_no_command_gets_one_line_and_exit_code_2(words, said, typed):
    code, out, err = typed(*words)
    assert (code, out) == (2, "") and err.startswith(f"error: {said}") and err.count("\n") == 1


@pytest.mark.parametrize("name", main.COMMANDS)
def test_each_command_explains_itself_by_the_name_it_was_called_by(name, launcher):
    texts = [process(*way, "--help") for way in ways(launcher, name)]
    assert all((done.returncode, done.stderr) == (0, "") for done in texts)
    called, module, script = (done.stdout for done in texts)
    assert called == module and called.startswith(f"usage: kerasqueeze {name} ")
    assert script.startswith(f"usage: python scripts/{name.replace('-', '_')}.py ")
    example = "\n    {} "
    assert example.format(f"kerasqueeze {name}") in called + " " or f"    kerasqueeze {name}\n" in called
    assert script.replace(f"python scripts/{name.replace('-', '_')}.py", f"kerasqueeze {name}") == called


def test_the_ways_do_the_same(launcher):
    listed = {process(*way, "--list").stdout for way in ways(launcher, "run")}
    assert len(listed) == 1 and "digits_scratch_adam" in listed.pop()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--help",), 0),
        (("run", "--help"), 0),
        (("run", "--list"), 0),
        (("run", "--dataset", "cats"), 2),
        (("sweep", "--exp", "digits_scratch_adam", "--epochs", "-1"), 2),
        (("compare", "a", "b"), 2),
        (("bench", "--no-speed", "--no-cost"), 2),
    ],
)
def test_keras_is_not_loaded_where_it_is_not_needed(words, code, launcher, tmp_path):
    keep = f"import atexit, pathlib, sys\natexit.register(lambda: pathlib.Path({str(tmp_path / 'names')!r})"
    (tmp_path / "kerasqueeze").write_text(f"{keep}.write_text(' '.join(sys.modules)))\n{launcher.read_text()}")
    assert process(tmp_path / "kerasqueeze", *words, cwd=tmp_path).returncode == code
    loaded = set((tmp_path / "names").read_text().split())
    assert not {"keras", "jax", "tensorflow"} & loaded
    modules = {f"kerasqueeze.commands.{name.replace('-', '_')}" for name in main.COMMANDS}
    assert loaded & modules == ({f"kerasqueeze.commands.{words[0]}"} if len(words) > 1 else set())


BEGUN = """
import gc, os, sys
__command__ = {command}
from kerasqueeze.commands import check_port
from kerasqueeze.commands.main import main
def report(arguments):
    check_port.begin()
    print(os.getpid(), gc.get_threshold()[0], "keras" in sys.modules, "pandas" in sys.modules, "{guard}" in os.environ)
check_port.main = report
print(os.getpid(), flush=True)
main()
"""


def begun(path: Path, command: bool) -> list[str]:
    path.write_text(BEGUN.format(command=command, guard=hugepages.GUARD))
    hidden = (hugepages.GUARD, "GLIBC_TUNABLES")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    done = process(path, "check-port", "--weights", "x", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(("name", "command"), [("kerasqueeze", False), ("any.py", True)])
def test_a_command_starts_fast_by_its_name_or_because_it_says_so(name, command, tmp_path):
    first, *rest = begun(tmp_path / name, command)
    again = hugepages._hindrance() is None
    if again:  # the same process, once more from the start
        assert rest.pop(0) == first
    assert rest == [first, "100000", "True", "False", str(again)]


def test_a_program_of_someone_else_is_not_started_again(tmp_path):
    first, *rest = begun(tmp_path / "any.py", command=False)
    assert rest[0] == first and rest[1] != "100000" and rest[2:] == ["True", "True", "False"]


@pytest.mark.parametrize(
    ("argv", "whole", "expected"),
    [
        (["/bin/kerasqueeze", "run"], ["python", "/bin/kerasqueeze", "run"], True),
        (["C:/kerasqueeze.exe"], ["python", "C:/kerasqueeze.exe"], True),
        (["-m", "run"], ["python", "-X", "utf8", "-m", "kerasqueeze", "run"], True),
        (["-m", "run"], ["python", "-mkerasqueeze", "run"], True),
        (["-m", "kerasqueeze"], ["python", "-m", "kerasqueeze.bench.worker", "kerasqueeze"], False),
        (["-c"], ["python", "-c", "import kerasqueeze"], False),
        (["train.py", "kerasqueeze"], ["python", "train.py", "kerasqueeze"], False),
        ([""], ["python"], False),
    ],
)
def test_what_is_a_command(argv, whole, expected, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", whole)
    assert command.is_command() == expected


@pytest.mark.parametrize("place", [0, 1, 2])
def test_another_backend_of_keras_is_refused_in_one_line(place, launcher, tmp_path):
    way = ways(launcher, "run")[place]
    done = process(*way, "--out", tmp_path / "out", env={**os.environ, "KERAS_BACKEND": "no_such_backend"})
    assert done.returncode == 2
    assert done.stderr == (
        "error: KERAS_BACKEND='no_such_backend' cannot be used; kerasqueeze runs on 'jax': set that, or unset it\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("place", "platform"), [(0, "no_such_platform"), (2, "no_such_platform,cpu")])
def test_a_platform_that_jax_has_not_is_refused_in_one_line(place, platform, launcher, tmp_path):
    way = ways(launcher, "run")[place]
    done = process(*way, "--out", tmp_path / "out", env={**os.environ, "JAX_PLATFORMS": platform})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith(f"error: JAX_PLATFORMS='{platform}' cannot be used (")
    assert done.stderr.endswith("; set another, or unset it\n")
    assert list(tmp_path.iterdir()) == []
