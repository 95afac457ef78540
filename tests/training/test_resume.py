"""Runs that are stopped and go on, against one that never was."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasqueeze import history
from kerasqueeze.errors import Interrupted, UserError
from kerasqueeze.training import resume, runner
from kerasqueeze.training import states as states_module
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.states import States

pytestmark = pytest.mark.usefixtures("quick_compilation")
SCRIPT = Path(__file__).parents[2] / "scripts" / "run.py"
TINY = Experiment(
    name="tiny",
    about="",
    dataset="digits",
    image_size=32,
    limit=12,
    batch_size=24,
    epochs=3,
    learning_rate=1e-3,
    optimizer="amsgrad",
    ema_momentum=0.9,
)
UNTIMED = list(history.COLUMNS[:-2])


def outcome(out: Path, name: str) -> tuple[np.ndarray, list[np.ndarray], dict]:
    """Return the rows but for the times, the weights, and the record of seed 0."""
    rows = history.read_csv(history.csv_path(out, name))[UNTIMED].to_numpy()
    network = keras.models.load_model(out / "models" / f"{name}_seed0.keras")
    return rows, network.get_weights(), history.read_json(history.json_path(out, name))["runs"]["0"]


def same(ours, theirs) -> None:
    np.testing.assert_array_equal(ours[0], theirs[0])
    for a, b in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_array_equal(a, b)
    for key in ("outcome", "epochs", "best_epoch", "test", "validation", "initial_weights", "first_batch"):
        assert ours[2][key] == theirs[2][key]


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    out = tmp_path_factory.mktemp("never_stopped")
    runner.run(TINY, [0], out=out)
    return outcome(out, "tiny")


class AfterSteps:
    """Stands for a signal that arrives between two steps; also counts the states."""

    def __init__(self, steps, kind):
        self.steps, self.kind = steps, kind

    def __call__(self, saved):
        self.steps -= 1
        return os.kill(os.getpid(), self.kind) if self.steps == 0 else None


@pytest.mark.parametrize("steps", [2, 5, 8])  # within epochs of five steps, and at the end of the first
def test_stopped_between_steps(never_stopped, tmp_path, monkeypatch, steps):
    interrupt, write = AfterSteps(steps, signal.SIGTERM), States.write
    monkeypatch.setattr(resume, "SAVE_EVERY", -1.0)  # a state before each step
    monkeypatch.setattr(States, "write", lambda *saved: (write(*saved), interrupt(saved)))
    with pytest.raises(Interrupted, match="the same command goes on from there") as stopped:
        runner.run(TINY, [0], out=tmp_path)
    assert stopped.value.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert history.read_json(history.json_path(tmp_path, "tiny"))["runs"] == {}
    assert len(list((tmp_path / "models" / "tiny_seed0_states").iterdir())) == min(steps + 1, states_module.KEPT)
    runner.run(TINY, [0], out=tmp_path)
    same(outcome(tmp_path, "tiny"), never_stopped)
    assert not (tmp_path / "models" / "tiny_seed0_states").exists()


def test_a_damaged_state_is_passed_over_for_the_one_before(never_stopped, tmp_path, monkeypatch, capsys):
    interrupt, write = AfterSteps(8, signal.SIGINT), States.write
    monkeypatch.setattr(resume, "SAVE_EVERY", -1.0)
    monkeypatch.setattr(States, "write", lambda *saved: (write(*saved), interrupt(saved)))
    with pytest.raises(Interrupted):
        runner.run(TINY, [0], out=tmp_path)
    newest = max((tmp_path / "models" / "tiny_seed0_states").iterdir())
    newest.write_bytes(newest.read_bytes()[:-100])
    runner.run(TINY, [0], out=tmp_path)
    assert f"{newest} is damaged; the state before it is used" in capsys.readouterr().err
    same(outcome(tmp_path, "tiny"), never_stopped)


def test_a_state_of_other_settings_is_refused(tmp_path, monkeypatch):
    interrupt, write = AfterSteps(1, signal.SIGINT), States.write
    monkeypatch.setattr(States, "write", lambda *saved: (write(*saved), interrupt(saved)))
    with pytest.raises(Interrupted):
        runner.run(TINY, [0], out=tmp_path)
    monkeypatch.setattr(runner.provenance, "of_code", lambda: "other")
    with pytest.raises(UserError, match=r"made from other code; .* start over with --fresh"):
        runner.run(TINY, [0], out=tmp_path)
    assert list((tmp_path / "models" / "tiny_seed0_states").iterdir())
    runner.run(TINY.override(epochs=1), [0], out=tmp_path, fresh=True)


def test_only_whole_states_of_the_last_two_positions_are_kept(tmp_path):
    states = States(tmp_path / "s", {"settings": (1, 2)})
    for position in ((0, 7), (1, 0), (0, 9)):
        states.write(position, [np.arange(3), np.float32(2)], {"rows": [1.5]})
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["0000-000009.npz", "0001-000000.npz"]
    arrays, told = states.newest()
    assert told["position"] == [1, 0]
    assert told["rows"] == [1.5]
    np.testing.assert_array_equal(arrays[0], np.arange(3))
    assert States(tmp_path / "s", {"settings": [1, 2]}).newest() is not None
    states.drop()
    assert not (tmp_path / "s").exists()
    assert states.newest() is None


def script(out, *options):
    command = [sys.executable, str(SCRIPT), "--exp", "digits_scratch_adam", "--epochs", "4", "--batch-size", "16"]
    return [*command, "--image-size", "32", "--out", str(out), *options]


@pytest.mark.slow
def test_processes_that_are_killed(tmp_path):
    """Stopped by SIGTERM, SIGINT and SIGKILL within three epochs, then finished, against one that ran through."""
    subprocess.run(script(tmp_path / "through"), check=True, capture_output=True, timeout=300)
    out = tmp_path / "stopped"
    for epoch, (kind, code) in enumerate(((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9))):
        process = subprocess.Popen(script(out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 200
        states = out / "models" / "digits_scratch_adam_seed0_states"
        while not any(states.glob(f"{epoch + 1:04}-*.npz")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.1)  # some steps into the next epoch
        process.send_signal(kind)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == code, said
        assert "Traceback" not in said
        assert kind == signal.SIGKILL or "the same command goes on from there" in said
    last = subprocess.run(script(out), check=True, capture_output=True, text=True, timeout=300)
    assert "goes on after 3 epochs and 0 steps" in last.stderr
    same(outcome(out, "digits_scratch_adam"), outcome(tmp_path / "through", "digits_scratch_adam"))
