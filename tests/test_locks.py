"""Processes in one folder: none loses what another wrote, none waits for a dead one, and work is shared."""

import contextlib
import subprocess
import sys
import threading
import time

import made_up
import pandas as pd
import pytest

from kerasqueeze import history, locks
from kerasqueeze.history import rows
from kerasqueeze.study import schedule
from kerasqueeze.training import record
from kerasqueeze.training.experiment import Experiment

HEAD = (
    "import importlib.util, pathlib, sys, time\n"
    f"spec = importlib.util.spec_from_file_location('locks', {locks.__file__!r})\n"  # without Keras: quick
    "locks = importlib.util.module_from_spec(spec); spec.loader.exec_module(locks)\n"
    "folder = pathlib.Path(sys.argv[1])\n"
)


def process(code, *arguments):
    command = [sys.executable, "-c", HEAD + code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def holder(path):
    """Return a process that holds the lock of `path` until it is killed."""
    found = process("with locks.locked(folder): print('held', flush=True); time.sleep(600)", path)
    assert found.stdout is not None and found.stdout.readline() == "held\n"
    return found


def together(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def kill(one):
    one.kill()
    one.communicate()


def test_nothing_is_lost_between_reading_and_writing(tmp_path):
    count = tmp_path / "count"
    count.write_text("0")
    code = (
        "for _ in range(25):\n"
        "    with locks.locked(folder):\n"
        "        number = int(folder.read_text()); time.sleep(0.002); folder.write_text(str(number + 1))\n"
    )
    for one in [process(code, count) for _ in range(4)]:
        one.communicate()
        assert one.returncode == 0
    assert count.read_text() == "100"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]  # no lock is left


def test_a_killed_holder_holds_nothing(tmp_path):
    one = holder(tmp_path / "x")
    with locks.locked(tmp_path / "x", wait=False) as free, locks.locked(tmp_path / "y", wait=False) as other:
        assert not free and other
    threading.Timer(0.3, kill, [one]).start()
    with locks.locked(tmp_path / "x") as free:
        assert free


def test_a_holder_is_let_in_again_and_another_thread_is_not(tmp_path):
    seen = []

    def look():
        with locks.locked(tmp_path / "x", wait=False) as free:
            seen.append(free)

    with locks.locked(tmp_path / "x"):
        look()
        for _ in range(2):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
    look()
    assert seen == [True, False, False, True]


ROW = dict.fromkeys(history.COLUMNS, 0.5) | {"epoch": 1}
RECORD = made_up.record(Experiment(name="x", about="", dataset="digits"))
LAYERS = {name: [0.5] for name in history.LAYER_COLUMNS[3:]} | {"block": ["all"]}
WRITERS = {
    "history": ("read_csv", lambda path, seed: history.replace_rows(path, seed, [ROW | {"seed": seed}])),
    "layers": ("read_layers", lambda path, seed: history.replace_layers(path, seed, 1, LAYERS)),
    "predictions": ("read_predictions", lambda path, seed: history.write_predictions(path, seed, [0, 1], [1, 1])),
    "record": ("read_json", lambda path, seed: record.update(path, RECORD, {str(seed): made_up.run()})),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_two_seeds_that_are_written_at_once_both_stay(kind, tmp_path, monkeypatch):
    """The first to read waits a while for the second to write."""
    name, write = WRITERS[kind]
    path, read, both = tmp_path / "x", getattr(history, name), threading.Barrier(2)
    write(path, 0)

    def slow(path):
        found = read(path)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.3)
        return found

    monkeypatch.setattr(history if kind == "record" else rows, name, slow)
    threads = [threading.Thread(target=write, args=(path, seed)) for seed in (1, 2)]
    together(threads)
    found = read(path)
    assert (list(found["runs"]) if kind == "record" else sorted(set(map(str, found["seed"])))) == ["0", "1", "2"]


def test_tasks_are_shared_and_a_dead_process_leaves_its_own(tmp_path):
    """The first process sticks at `a`; this one does `b`, waits, and does `a` once the first is dead."""
    stuck = holder(tmp_path / "a")
    done, told = [], []

    def tell(line):
        told.append((line, list(done)))
        threading.Timer(0.3, kill, [stuck]).start()

    locks.share(["a", "b"], lambda name: tmp_path / name, done.append, tell)
    assert done == ["b", "a"]
    assert told == [("waiting for another process that is at work on a", ["b"])]
    assert list(tmp_path.iterdir()) == []


def test_a_study_from_two_terminals_is_shared(tmp_path):
    """Each run is done once, and both return when all are done."""
    experiments = [Experiment(name=name, about="", dataset="digits", epochs=1) for name in "ab"]
    study, ran, lock = schedule.runs(experiments, [0, 1, 2]), [], threading.Lock()

    def train(experiment, seed):
        with lock:
            ran.append((experiment.name, seed, threading.get_ident()))
        time.sleep(0.3)  # long enough for the other to look
        path = history.json_path(tmp_path, experiment.name)
        with locks.locked(path):
            found = history.read_json(path) if path.exists() else made_up.record(experiment)
            found["runs"][str(seed)] = made_up.run()
            history.write_json(path, found)

    def terminal():
        counts.append(schedule.carry_out(study, tmp_path, train, lambda line: None))
        left.append(schedule.left(study, tmp_path))

    counts, left = [], []
    threads = [threading.Thread(target=terminal) for _ in range(2)]
    together(threads)
    assert sorted(run[:2] for run in ran) == [(name, seed) for name in "ab" for seed in range(3)]
    assert sum(counts) == 6 and min(counts) >= 1
    assert left == [[], []]


def test_a_lost_lock_file_is_no_lost_lock(tmp_path):
    """A waiting process has the removed file open; it has to take the next one."""
    path, order = tmp_path / "x", []

    def enter(number):
        with locks.locked(path):
            order.append(number)
            time.sleep(0.05)
            order.append(number)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(6)]
    together(threads)
    assert order[::2] == order[1::2] and pd.unique(pd.Series(order)).size == 6
