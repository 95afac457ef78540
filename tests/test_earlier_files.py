"""Files of the first published version (`references/earlier/make.py` wrote them): they load, count, and go on."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasqueeze import history
from kerasqueeze.study import evidence, pairing, results, schedule, summary, verdicts
from kerasqueeze.training import runner
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.optimizers.adam import CorrectedAMSGrad

EARLIER = Path(__file__).parent / "references" / "earlier"
SETTINGS = {"dataset": "digits", "image_size": 32, "limit": 12, "batch_size": 24, "epochs": 2, "learning_rate": 1e-3}
ADAM = Experiment(name="tiny_adam", about="", **SETTINGS)


@pytest.fixture
def out(tmp_path):
    shutil.copytree(EARLIER / "CSV", tmp_path / "CSV")
    return tmp_path


def test_results_are_read_compared_and_reported(out):
    pair = [results.read(out, name) for name in ("tiny_adam", "tiny_amsgrad")]
    pairing.demand_paired(*pair)
    evidence.check(pair)
    assert "tiny_amsgrad" in verdicts.compare(*pair)
    recorded = json.loads((EARLIER / "CSV" / "tiny_adam.json").read_text())["runs"]["0"]
    table = summary.write_summary(out).set_index("experiment")
    assert table.loc["tiny_adam", "accuracy"] == pytest.approx(recorded["test"]["accuracy"], rel=1e-6)
    assert schedule.finished([ADAM], out) == [(ADAM, recorded["seconds"])]


@pytest.mark.usefixtures("quick_compilation")
def test_another_seed_joins_and_the_earlier_one_stays(out):
    before = history.read_csv(history.csv_path(out, "tiny_adam"))
    earlier = history.read_json(history.json_path(out, "tiny_adam"))["runs"]["0"]
    runs = runner.run(ADAM, [0, 1], out=out)["runs"]
    assert list(runs) == ["0", "1"]
    assert runs["0"] == earlier and "numerics" not in earlier
    assert runs["1"].keys() >= earlier.keys()
    after = history.read_csv(history.csv_path(out, "tiny_adam"))
    assert after[after["seed"] == 0].equals(before) and len(after) == 4
    assert set(results.read(out, "tiny_adam").runs) == {0, 1}


@pytest.mark.parametrize("name", ["LoweredModel", "ByLayerModel"])
def test_networks_predict_what_they_did(name):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype("float32")
    model = keras.models.load_model(EARLIER / f"{name}.keras")
    with np.load(EARLIER / "scores.npz") as scores:
        np.testing.assert_allclose(model.predict(pixels, verbose=0), scores[name], rtol=1e-5, atol=1e-6)
    assert type(model).__name__ == name
    if name == "ByLayerModel":
        assert type(model.optimizer) is CorrectedAMSGrad and int(model.optimizer.iterations) == 1
        model.fit(pixels, np.arange(5) % 4, verbose=0)
