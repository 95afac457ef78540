"""A whole experiment on the digits: files, sameness by seed, guards."""

import json
import shutil
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sk

from kerasqueeze import history
from kerasqueeze.data import datasets
from kerasqueeze.errors import UserError
from kerasqueeze.models import card
from kerasqueeze.study import schedule
from kerasqueeze.training import runner
from kerasqueeze.training.experiment import Experiment

pytestmark = pytest.mark.usefixtures("quick_compilation")
TINY = Experiment(
    name="tiny", about="", dataset="digits", image_size=32, limit=12, batch_size=24, epochs=2, learning_rate=1e-3
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    return out, runner.run(TINY, [0], out=out)


def test_a_run_leaves_history_record_and_network(finished):
    out, record = finished
    rows = history.read_csv(out / "CSV" / "tiny.csv")
    assert rows[["seed", "epoch"]].to_numpy().tolist() == [[0, 1], [0, 2]]
    assert np.isfinite(rows.to_numpy(float)).all()
    assert json.loads((out / "CSV" / "tiny.json").read_text()) == record
    run = record["runs"]["0"]
    assert run["epochs"] == 2
    assert run["outcome"] in ("ran all epochs", "never started")
    assert run["test"]["photos"] == record["data"]["test"] == 450
    assert record["experiment"]["limit"] == 12


def test_the_saved_network_has_the_recorded_test_scores(finished):
    """Scored anew from the file, with scikit-learn, on photos that were loaded anew."""
    out, record = finished
    network = keras.models.load_model(out / "models" / "tiny_seed0.keras")
    test = datasets.load("digits", image_size=32, limit=12).test
    pixels, labels = test.batch(np.arange(len(test)))
    predicted = network.predict(pixels, verbose=0).argmax(1)
    scores = record["runs"]["0"]["test"]
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted), abs=2 / len(labels))
    assert scores["recall"] == pytest.approx(sk.recall_score(labels, predicted, average="macro"), abs=0.02)


def test_the_saved_network_says_what_it_is(finished):
    """Its card repeats the record; the temperature has a lower loss on the validation photos than its neighbours."""
    out, record = finished
    path, run = out / "models" / "tiny_seed0.keras", record["runs"]["0"]
    found = card.read(path)
    assert found is not None
    assert (list(found.class_names), found.image_size) == (record["data"]["class_names"], 32)
    assert found.temperature == run["temperature"]
    assert (found.origin["experiment"], found.origin["seed"]) == (record["experiment"], 0)
    assert found.origin["test"] == run["test"] and found.origin["data"]["fingerprint"] == record["data"]["fingerprint"]
    network = keras.models.load_model(path)
    photos = datasets.load("digits", image_size=32, limit=12)
    pixels, labels = photos.validation.batch(np.arange(len(photos.validation)))
    logits = network.predict(pixels, verbose=0)

    def loss(temperature):
        return sk.log_loss(labels, special.softmax(logits.astype(float) / temperature, axis=1), labels=range(10))

    assert loss(found.temperature) <= min(loss(found.temperature * factor) for factor in (0.98, 1.02)) + 1e-9


def test_predictions_keep_their_probabilities(finished):
    out, record = finished
    network = keras.models.load_model(out / "models" / "tiny_seed0.keras")
    test = datasets.load("digits", image_size=32, limit=12).test
    logits = network.predict(test.batch(np.arange(len(test)))[0], verbose=0).astype(float)
    rows = history.read_predictions(out / "CSV" / "tiny_predictions.csv")
    for column, temperature in (("confidence", 1.0), ("calibrated", record["runs"]["0"]["temperature"])):
        expected = special.softmax(logits / temperature, axis=1).max(axis=1)
        np.testing.assert_allclose(rows[column], expected, atol=1e-3)


def test_same_seed_same_numbers_other_seed_others(finished, tmp_path):
    out, _ = finished
    runner.run(TINY, [0, 1], out=tmp_path)
    columns = list(history.COLUMNS[:-2])  # all but the times
    first = history.read_csv(out / "CSV" / "tiny.csv")[columns]
    again = history.read_csv(tmp_path / "CSV" / "tiny.csv")[columns]
    np.testing.assert_array_equal(first.to_numpy(), again[again["seed"] == 0].to_numpy())
    assert (first["loss_train"].to_numpy() != again[again["seed"] == 1]["loss_train"].to_numpy()).all()


def test_arms_of_one_seed_begin_alike():
    data = datasets.load("digits", image_size=32, limit=12)
    adam, amsgrad = (
        runner.training_model(TINY.override(optimizer=name), data, seed=3)[1].get_weights()
        for name in ("adam", "amsgrad")
    )
    assert all((a == b).all() for a, b in zip(adam, amsgrad, strict=True))


def test_a_finished_seed_is_not_run_again(finished, capsys):
    out, record = finished
    before = (out / "CSV" / "tiny.csv").read_bytes()
    assert runner.run(TINY, [0], out=out) == record
    assert (out / "CSV" / "tiny.csv").read_bytes() == before
    assert "finished already" in capsys.readouterr().err


def test_results_of_other_settings_are_not_overwritten(finished):
    out, _ = finished
    before = (out / "CSV" / "tiny.csv").read_bytes()
    with pytest.raises(UserError, match=r"holds results with epochs=2, this run has epochs=3; .*--out.*--fresh"):
        runner.run(TINY.override(epochs=3), [1], out=out)
    assert (out / "CSV" / "tiny.csv").read_bytes() == before


def test_a_history_without_its_record_is_not_overwritten(tmp_path):
    (tmp_path / "CSV").mkdir()
    (tmp_path / "CSV" / "tiny.csv").write_text("precious")
    with pytest.raises(UserError, match=r"has no record tiny\.json beside it"):
        runner.run(TINY, [0], out=tmp_path)
    assert (tmp_path / "CSV" / "tiny.csv").read_text() == "precious"


def test_a_batch_larger_than_the_training_photos_is_refused(tmp_path):
    with pytest.raises(UserError, match="batch_size=500 is more than the 120 training photos; use --batch-size 120"):
        runner.run(TINY.override(batch_size=500), [0], out=tmp_path)


def test_a_missing_weights_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no weights file at 'nowhere\.pth'; expected none, imagenet or the path"):
        runner.run(TINY.override(weights="nowhere.pth"), [0], out=tmp_path)


def test_weights_that_cannot_be_had_are_refused_before_the_photos_are_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda *_, **__: pytest.fail("the photos were loaded"))
    (tmp_path / "w.pth").write_bytes(b"not weights")
    with pytest.raises(UserError):
        runner.run(TINY.override(weights=str(tmp_path / "w.pth")), [0], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_killed_run_leaves_whole_files_and_can_be_run_again(tmp_path):
    """SIGKILL after the first epoch's row: the row is whole, nothing counts as finished, the next run completes."""
    code = (
        "import sys, pathlib\n"
        "from kerasqueeze.training import runner\n"
        "from kerasqueeze.training.experiment import Experiment\n"
        f"runner.run(Experiment(**{TINY.override(epochs=400).settings() | {'about': ''}!r}), [0], "
        "out=pathlib.Path(sys.argv[1]))\n"
    )
    csv = tmp_path / "CSV" / "tiny.csv"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not csv.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert len(history.read_csv(csv)) >= 1
    assert history.read_json(csv.with_suffix(".json"))["runs"] == {}
    record = runner.run(TINY, [0], out=tmp_path, fresh=True)
    assert list(record["runs"]) == ["0"]
    assert len(history.read_csv(csv)) == 2


def test_without_epochs_the_initial_weights_are_scored(finished, tmp_path):
    record = runner.run(TINY.override(epochs=0), [0], out=tmp_path)
    run = record["runs"]["0"]
    assert (run["outcome"], run["epochs"], run["best_epoch"]) == ("not trained", 0, 0)
    assert len(history.read_csv(history.csv_path(tmp_path, "tiny"))) == 0
    network = keras.models.load_model(tmp_path / "models" / "tiny_seed0.keras")
    data = datasets.load("digits", image_size=32, limit=12)
    _, initial = runner.training_model(TINY, data, seed=0)
    for a, b in zip(network.get_weights(), initial.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert run["initial_weights"] == finished[1]["runs"]["0"]["initial_weights"]
    assert len(history.read_predictions(history.predictions_path(tmp_path, "tiny"))) == 450


def test_predictions_have_the_recorded_scores(finished):
    out, record = finished
    rows = history.read_predictions(history.predictions_path(out, "tiny"))
    test = datasets.load("digits", image_size=32, limit=12).test
    np.testing.assert_array_equal(rows["label"], test.labels)
    scores = record["runs"]["0"]["test"]
    assert sk.accuracy_score(rows["label"], rows["predicted"]) == pytest.approx(scores["accuracy"], rel=1e-6)
    assert sk.recall_score(rows["label"], rows["predicted"], average="macro") == pytest.approx(scores["recall"])


def test_the_test_photos_are_left_alone_where_asked(tmp_path, monkeypatch):
    load = datasets.load

    def without_test(*args, **kwargs):
        data = load(*args, **kwargs)
        monkeypatch.setattr(type(data.test), "batch", guarded(type(data.test).batch, data.test))
        return data

    def guarded(batch, test):
        def guard(self, positions):
            assert self is not test
            return batch(self, positions)

        return guard

    monkeypatch.setattr(runner.datasets, "load", without_test)
    run = runner.run(TINY.override(epochs=1), [0], out=tmp_path, score_test=False)["runs"]["0"]
    assert "test" not in run
    assert not history.predictions_path(tmp_path, "tiny").exists()
    rows = history.read_csv(history.csv_path(tmp_path, "tiny"))
    assert run["validation"]["loss"] == pytest.approx(rows["loss_val"][0], rel=1e-5)
    assert run["validation"]["accuracy"] == pytest.approx(rows["accuracy_val"][0], rel=1e-6)


@pytest.mark.slow
def test_small_crops_are_trained_on_and_whole_photos_scored(tmp_path):
    changed = TINY.override(image_size=40, crop_size=32, colour=0.3, erase=0.3, epochs=1)
    run = runner.run(changed, [0], out=tmp_path)["runs"]["0"]
    network = keras.models.load_model(tmp_path / "models" / "tiny_seed0.keras")
    assert network.input_shape == (None, None, None, 3)
    test = datasets.load("digits", image_size=40, limit=12).test
    pixels, labels = test.batch(np.arange(len(test)))
    assert pixels.shape[1:] == (40, 40, 3)
    accuracy = sk.accuracy_score(labels, network.predict(pixels, verbose=0).argmax(1))
    assert run["test"]["accuracy"] == pytest.approx(accuracy, abs=2 / len(labels))


def test_training_sees_what_its_augmentation_makes_of_the_photos():
    data = datasets.load("digits", image_size=40, limit=12)
    model, network = runner.training_model(TINY.override(image_size=40, crop_size=32, colour=0.3, erase=0.3), data, 0)
    pixels, _ = data.train.batch(np.arange(8))
    seen = pixels
    for layer in model.layers[1:-1]:
        seen = layer(seen, training=True)
    assert seen.shape == (8, 32, 32, 3)
    assert [type(layer).__name__ for layer in model.layers[1:-1]] == ["RandomCropFlip", "RandomColour", "RandomErase"]
    assert len({layer.seed for layer in model.layers[1:-1]}) == 3  # one seed would hide just what was mirrored
    np.testing.assert_allclose(model(pixels), network(pixels.astype(np.float32)), rtol=1e-5, atol=1e-6)


def test_a_record_from_before_a_setting_counts_as_one_with_its_default(finished, tmp_path, capsys):
    out, record = finished
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path, older = history.json_path(tmp_path, "tiny"), json.loads(json.dumps(record))
    for name in ("crop_size", "colour", "erase"):
        del older["experiment"][name]
    history.write_json(path, older)
    assert schedule.finished([TINY], tmp_path)
    assert runner.run(TINY, [0], out=tmp_path)["runs"] == record["runs"]
    assert "finished already" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"holds results with colour=0\.0, this run has colour=0\.2"):
        runner.run(TINY.override(colour=0.2), [0], out=tmp_path)


def held(out, seed):
    """Return a process that is at work on a seed, as far as others can tell, until it is killed."""
    code = (
        "import pathlib, sys, time\n"
        "from kerasqueeze import history, locks\n"
        "with locks.locked(history.network_path(pathlib.Path(sys.argv[1]), 'tiny', int(sys.argv[2]))):\n"
        "    print('held', flush=True); time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(out), str(seed)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_seed_of_another_process_comes_last_and_is_taken_over_when_that_dies(finished, tmp_path, monkeypatch):
    process, told = held(tmp_path, 0), []

    def say(line, stream=None):
        told.append(line)
        if line.startswith("waiting"):
            process.kill()
            process.communicate()

    monkeypatch.setattr(runner.progress, "say", say)
    record = runner.run(TINY, [0, 1], out=tmp_path)
    waiting = told.index("waiting for another process that is at work on tiny_seed0")
    assert any("tiny seed 1: " in line for line in told[:waiting])
    assert not any("tiny seed 0" in line for line in told[:waiting])
    assert list(record["runs"]) == ["0", "1"]
    columns = list(history.COLUMNS[:-2])
    ours = history.read_csv(history.csv_path(tmp_path, "tiny"))[columns]
    theirs = history.read_csv(history.csv_path(finished[0], "tiny"))[columns]
    np.testing.assert_array_equal(ours[ours["seed"] == 0].to_numpy(), theirs.to_numpy())


def test_nothing_is_dropped_while_another_process_is_at_work(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "CSV" / "tiny.csv").read_bytes()
    process = held(tmp_path, 7)
    try:
        with pytest.raises(UserError, match=r"another process is at work on tiny_seed7 in .*, so nothing is dropped"):
            runner.run(TINY, [0], out=tmp_path, fresh=True)
    finally:
        process.kill()
        process.communicate()
    assert (tmp_path / "CSV" / "tiny.csv").read_bytes() == before
    assert list((tmp_path / "CSV").glob(".*")) == []


def test_a_record_holds_the_hashes_of_its_rows(finished):
    out, record = finished
    rows = record["runs"]["0"]["rows"]
    assert rows.keys() == {"history", "layers", "predictions"}
    history.check_rows(out, "tiny", record["runs"])
    with pytest.raises(UserError, match="was changed after seed 0 was run"):
        history.check_rows(out, "tiny", {"0": {"rows": {**rows, "layers": "0"}}})
