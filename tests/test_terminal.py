"""What is said while a command works: on terminals of all kinds, elsewhere, and when nobody can hear it."""

import io
import re
import subprocess
import sys
import time

import pytest

from kerasqueeze import progress
from kerasqueeze.training.callbacks import Progress


@pytest.fixture(autouse=True)
def talkative(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    yield
    progress.set_quiet(False)


def train(stream, epochs=2, steps=40, between=lambda: None):
    """Tell the callback of a training that nobody does."""
    shown = Progress("digits_scratch_adam seed 0", stream)
    shown.set_params({"epochs": epochs, "steps": steps})
    shown.on_train_begin()
    for epoch in range(epochs):
        shown.on_epoch_begin(epoch)
        for step in range(steps):
            time.sleep(0.002)
            shown.on_train_batch_end(step)
        between()
        shown.on_epoch_end(epoch, {"loss": 1.5, "val_loss": 1.25, "val_accuracy": 0.5})
    shown.on_train_end()
    return shown


def drawn(text):
    """Return what was drawn at the beginning of a line, without the spaces that wipe out what was there."""
    return [part.rstrip() for part in re.split(r"[\r\n]+", text) if part.strip()]


def test_a_wide_terminal_has_a_bar_with_rate_and_time_left_and_keeps_the_lines(terminal):
    pty = terminal(100)
    train(pty.stream, between=lambda: progress.say("above the bar", pty.stream))
    pty.read()
    bars = [part for part in drawn(pty.text) if "%|" in part]
    assert any(re.match(r"digits_scratch_adam seed 0  epoch 1/2: +\d+%\|", bar) for bar in bars)
    assert any(re.search(r"40/40 \[00:00<00:00, *[\d.]+ step/s\]$", bar) for bar in bars)
    assert max(map(len, bars)) <= 100
    first, note, epoch, *rest = pty.screen()
    assert first.startswith("digits_scratch_adam seed 0  first step after 0.0 s")
    assert (note, len(rest)) == ("above the bar", 2)
    assert epoch.startswith("digits_scratch_adam seed 0  epoch 1/2  loss 1.5000  validation: loss 1.2500  accuracy 0.5")


def test_a_narrow_terminal_has_a_bar_that_fits(terminal):
    pty = terminal(44)
    train(pty.stream, epochs=1, between=lambda: progress.say("above the bar", pty.stream))
    bars = [part for part in drawn(pty.read()) if "%" in part]
    assert max(map(len, bars)) <= 44
    assert any(re.fullmatch(r"epoch 1/1: 100% \[00:00, *[\d.]+/s\]", bar) for bar in bars)


def test_what_breaks_off_leaves_no_bar(terminal):
    pty = terminal(100)
    shown = Progress("x", pty.stream)
    shown.set_params({"epochs": 2, "steps": 9})
    shown.on_train_begin()
    shown.on_epoch_begin(0)
    shown.on_train_batch_end(0)
    shown.close()
    pty.read()
    assert "%|" in pty.text
    assert [line.partition(" after")[0] for line in pty.screen()] == ["x  first step"]


@pytest.mark.parametrize("kind", ["dumb", "file"])
def test_without_a_terminal_that_can_go_back_only_lines_are_written(terminal, monkeypatch, kind):
    monkeypatch.setenv("TERM", "dumb")
    stream = terminal(100).stream if kind == "dumb" else io.StringIO()
    pty = terminal(100)
    train(pty.stream if kind == "dumb" else stream)
    text = pty.read().replace("\r\n", "\n") if kind == "dumb" else stream.getvalue()
    assert "\r" not in text and "\x1b" not in text and "%" not in text
    assert text.count("\n") == 3


def test_quiet_says_warnings_alone(terminal):
    progress.set_quiet(True)
    assert progress.is_quiet()
    pty = terminal(100)
    train(pty.stream)
    progress.say("nothing", pty.stream)
    progress.warn("careful", pty.stream)
    pty.read()
    assert pty.text == "careful\r\n"


def test_a_stream_that_is_closed_ends_nothing():
    stream = io.StringIO()
    stream.close()
    train(stream)
    # Standard error that was closed before the process began, as by `2>&-`, and one whose reader is gone.
    code = (
        "import importlib.util, os, sys\n"
        f"spec = importlib.util.spec_from_file_location('progress', {progress.__file__!r})\n"
        "progress = importlib.util.module_from_spec(spec); spec.loader.exec_module(progress)\n"
        "for number in range(3): progress.say('hello')\n"
        "assert progress.bar('long', 'short', 5, 'step') is None\n"
        "print('done')\n"
    )
    for shell in ('"$0" -c "$1" 2>&-', '{ "$0" -c "$1"; } 2>&1 >&3 | true'):
        found = subprocess.run(
            ["bash", "-c", f"set -o pipefail; exec 3>&1; {shell}", sys.executable, code], capture_output=True, text=True
        )
        assert (found.returncode, found.stdout, found.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61.4, "1:01"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert progress.clock(seconds) == text
