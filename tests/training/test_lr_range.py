"""The learning-rate range test, and the inspection of a network, against what is known of both."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasqueeze.data import datasets
from kerasqueeze.errors import UserError
from kerasqueeze.study import quiz
from kerasqueeze.training import inspection, lr_range
from kerasqueeze.training.experiment import Experiment

pytestmark = pytest.mark.usefixtures("quick_compilation")
TINY = Experiment(
    name="tiny", about="", dataset="digits", image_size=32, limit=12, batch_size=24, crop_area=1.0, flip=False
)
SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def data():
    return datasets.load("digits", image_size=32, limit=12)


def scripted(losses):
    rates = np.geomspace(1e-6, 1, len(losses))
    return [(step, float(rate), 0.0, float(loss)) for step, (rate, loss) in enumerate(zip(rates, losses, strict=True))]


def test_the_suggestion_is_where_the_loss_falls_fastest():
    x = np.linspace(0, 1, 101)
    losses = 2 - np.tanh(20 * (x - 0.5)) + 8 * np.clip(x - 0.8, 0, 1)
    suggested, lowest = lr_range.suggestion(scripted(losses))
    assert suggested == pytest.approx(1e-3, rel=0.3)
    assert 1e-2 < lowest < 1e-1


def test_a_loss_that_never_falls_suggests_nothing():
    assert lr_range.suggestion(scripted(np.linspace(2, 5, 50)))[0] is None
    assert lr_range.suggestion(scripted(np.full(50, 2.3)))[0] is None


def test_rates_rise_evenly_and_the_weights_follow_them(data):
    found = lr_range.run(TINY, data, 0, low=1e-6, high=1e-2, steps=20)
    rates = [row[1] for row in found.rows]
    np.testing.assert_allclose(rates, np.geomspace(1e-6, 1e-2, 20)[: len(rates)], rtol=1e-6)
    schedule = lr_range.Rising(1e-6, 1e-2, 20)
    np.testing.assert_allclose([float(schedule(step)) for step in range(len(rates))], rates, rtol=1e-4)
    assert found.rows[0][2] == pytest.approx(np.log(10), rel=0.2)


@pytest.mark.parametrize("limits", [(0, 1, 50), (1, 0.5, 50), (1e-3, 2e3, 50), (1e-3, 1, 5), (float("nan"), 1, 50)])
def test_limits_that_are_no_range_are_refused(data, limits):
    low, high, steps = limits
    with pytest.raises(UserError, match="no range test from"):
        lr_range.run(TINY, data, 0, low=low, high=high, steps=steps)


def test_every_layer_is_told(data):
    found = inspection.run(TINY, data, steps=3)
    by_name = {layer.name: layer for layer in found.layers}
    assert sum(layer.parameters for layer in found.layers) == 727_626  # 1.1 with 10 classes, as torchvision counts
    for name, word in (("pool1", "pooling"), ("drop9", "dropout"), ("avg_pool", "pooling")):
        assert by_name[name].parameters == 0 and word in by_name[name].why and "nothing to learn" in by_name[name].why
    assert found.memory == 2 and found.kept == ("momentum", "velocity")
    assert found.activations == {"relu": 25}
    head = by_name["conv10"]
    assert head.trains and head.moved > 0 and head.spread[0] <= head.spread[1] <= head.spread[2] < 3
    text = quiz.table(found) + quiz.answers(found, (1.0, -0.9))
    assert "relu within 25 layers" in text and "keeps 2 more (momentum and velocity)" in text


def test_adams_first_step_is_the_rate_for_every_weight(data):
    """|m| / sqrt(v) is 1 after one step (Kingma & Ba 2015, section 2.1), where the gradient is above epsilon."""
    found = inspection.run(TINY.override(learning_rate=1e-3), data, steps=1)
    assert next(layer for layer in found.layers if layer.name == "conv10").spread[1] == pytest.approx(1, rel=1e-2)


def test_what_is_frozen_stays(data):
    found = inspection.run(TINY.override(freeze="backbone"), data, steps=2)
    moved = {layer.name: layer.moved for layer in found.layers if layer.parameters}
    assert moved.pop("conv10") > 0
    assert set(moved.values()) == {0.0}


@pytest.mark.slow
def test_statistics_are_told_from_weights(data):
    found = inspection.run(TINY.override(model="mobilenet_v2"), data, steps=1)
    first = next(layer for layer in found.layers if layer.kind == "BatchNormalization")
    assert first.parameters == first.statistics > 0
    assert "counted, not learnt" in first.why


def test_plain_sgd_keeps_nothing(data):
    found = inspection.run(TINY.override(optimizer="sgd"), data, steps=1)
    assert (found.memory, found.kept) == (0, ())


def test_adam_loses_to_sgd_where_the_paper_says():
    adam, sgd = inspection.against_sgd()
    assert adam == pytest.approx(1.0) and sgd < -0.8


def test_the_script_called_inspect_hides_no_module():
    """Beside it, the standard library's inspect is imported by nearly everything."""
    done = subprocess.run([sys.executable, SCRIPTS / "inspect.py", "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "--steps" in done.stdout
    code = "import inspect, sys; assert inspect.signature(len) and 'scripts' not in inspect.__file__"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=SCRIPTS)
    assert (done.returncode, done.stderr) == (0, "")
    assert keras.__name__ == "keras"
