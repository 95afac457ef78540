"""`kerasqueeze serve`: its options, and what it says when it cannot start."""

import importlib.util
import os
import socket
import sys
from pathlib import Path

import pytest

from kerasqueeze.commands import main, serve
from kerasqueeze.deploy.web import serving
from kerasqueeze.errors import UserError


@pytest.fixture
def typed(capfd, monkeypatch):
    """Call the command; return its exit code and what it wrote."""

    def call(*arguments):
        monkeypatch.setattr(os, "environ", os.environ.copy())
        monkeypatch.setattr(os, "umask", lambda mask: mask)
        monkeypatch.setattr(sys, "argv", ["kerasqueeze", "serve", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main.main()
        return (left.value.code, *capfd.readouterr())

    return call


@pytest.fixture
def options(tmp_path):
    def make(**changes):
        usual = {
            "host": "127.0.0.1",
            "port": 0,
            "data": tmp_path / "data",
            "hosts": (),
            "proxy": "",
            "keep_days": 30.0,
            "threshold": 0.5,
            "rate": 60,
            "queue": 32,
            "workers": 4,
            "results": tmp_path,
        }
        return serving.Options(**{**usual, **changes})

    return make


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--port", "65536"),
        ("--port", "-1"),
        ("--port", "x"),
        ("--threshold", "1.1"),
        ("--threshold", "nan"),
        ("--keep-days", "-1"),
        ("--keep-days", "inf"),
        ("--queue", "0"),
        ("--workers", "0"),
        ("--rate", "-3"),
        ("--runtime", "torch"),
        ("--data", ""),
    ],
)
def test_an_odd_value_ends_in_one_line(typed, option, value):
    code, out, err = typed("--model", "m.keras", option, value)
    assert (code, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1 and option in err


def test_a_model_is_needed_and_must_exist(typed, tmp_path):
    assert typed()[0] == 2
    code, _, err = typed("--model", tmp_path / "absent.keras", "--port", 0, "--data", tmp_path / "data")
    assert code == 2 and "no model file" in err and err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_without_the_extra_one_line_says_how_to_get_it(typed, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "whitenoise" else find(name))
    code, _, err = typed("--model", "m.keras")
    assert code == 2 and err == "error: serve needs whitenoise; run: pip install 'kerasqueeze[web]'\n"


def test_a_port_that_is_taken_is_named(options):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(UserError, match="choose another: --host, --port"),
    ):
        serving.listen(options(port=taken.getsockname()[1]))
    with pytest.raises(UserError, match="cannot listen at no such host:80"):
        serving.listen(options(host="no such host", port=80))


def test_listening_to_other_machines_is_warned_of(options, capfd):
    for host in ("127.0.0.1", "127.1.2.3", "localhost", "::1"):
        serving.warn(options(host=host))
    assert capfd.readouterr().err == ""
    serving.warn(options(host="0.0.0.0"))
    said = capfd.readouterr().err
    assert "other machines" in said and "--allowed-host NAME" in said and "HTTPS" in said
    serving.warn(options(host="0.0.0.0", hosts=("dogs.example",), proxy="127.0.0.1"))
    said = capfd.readouterr().err
    assert "dogs.example" in said and "HTTPS" not in said


def test_options_reach_the_settings(options, monkeypatch):
    for name in list(os.environ):
        if name.startswith("KERASQUEEZE_WEB_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    serving._export(options(host="192.168.1.7", hosts=("dogs.example",), keep_days=2.5, queue=7))
    found = {name.removeprefix("KERASQUEEZE_WEB_"): value for name, value in os.environ.items()}
    assert found["HOSTS"] == "dogs.example,192.168.1.7" and found["KEEP_DAYS"] == "2.5" and found["QUEUE"] == "7"


def test_the_model_and_the_runtime_reach_the_runtimes(typed, tmp_path, monkeypatch):
    asked = []

    def opened(*arguments):
        asked.append(arguments)
        raise UserError("stop here")

    monkeypatch.setattr("kerasqueeze.deploy.runtimes.open_model", opened)
    model = tmp_path / "m.onnx"
    model.write_bytes(b"")
    code, _, err = typed("--model", model, "--runtime", "onnx", "--port", 0, "--data", tmp_path / "data")
    assert (code, err) == (2, "error: stop here\n") and asked == [(str(model), "onnx", None)]


def test_help_lists_every_option(typed):
    code, out, _ = typed("--help")
    assert code == 0
    for name in ("model", "weights", "runtime", "host", "port", "data", "keep-days", "allowed-host", "threshold"):
        assert f"--{name}" in out
    assert Path(serve.DATA).expanduser()
