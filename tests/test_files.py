"""Whole files, the cache folder, the history's own guards."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.files import cache_dir, expanded, whole_file, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.txt"]
    assert path.read_text() == "old"


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    code = (
        "import os, sys, pathlib, signal\n"
        "from kerasqueeze.files import whole_file\n"
        "with whole_file(pathlib.Path(sys.argv[1])) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -9
    assert path.read_text() == "old"


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASQUEEZE_CACHE", str(tmp_path / "here"))
    assert cache_dir() == tmp_path / "here"
    monkeypatch.delenv("KERASQUEEZE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "kerasqueeze"


def test_numbers_survive_being_read_and_written_again(tmp_path):
    values = dict.fromkeys(history.COLUMNS, 0.1 + 1e-17) | {"seed": 0, "epoch": 1, "loss_val": 2 / 3}
    path = tmp_path / "x.csv"
    history.write_csv(path, pd.DataFrame([values]))
    first = path.read_bytes()
    history.write_csv(path, history.read_csv(path))
    assert path.read_bytes() == first
    assert history.read_csv(path)["loss_val"][0] == 2 / 3


def test_what_is_not_finite_becomes_null(tmp_path):
    path = tmp_path / "x.json"
    history.write_json(path, {"runs": {"0": [float("nan"), float("inf"), 1.5]}})
    assert json.loads(path.read_text())["runs"]["0"] == [None, None, 1.5]


def test_what_cannot_be_written_is_named_by_the_file_it_was_to_be(tmp_path):
    path = tmp_path / "a.csv"
    with pytest.raises(OSError, match="No space left on device") as raised, whole_file(path):
        raise OSError(errno.ENOSPC, "No space left on device")  # a write to a full disk names no file
    assert raised.value.filename == str(path)
    path.mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        write_text(path, "text")
    assert (raised.value.filename, raised.value.filename2) == (str(path), None)
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, whole_file(tmp_path / "a.csv"):
        (tmp_path / "other").read_bytes()
    assert raised.value.filename == str(tmp_path / "other")


def test_home_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/x") == tmp_path / "x"
    assert expanded("x/~") == Path("x/~")
    with pytest.raises(UserError, match="'~no-such-user/x' begins with a home folder that is not known; do this"):
        expanded("~no-such-user/x", "do this")
