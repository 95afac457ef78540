"""The temperature, against what made the labels and against another optimiser."""

import numpy as np
import pytest
from scipy import optimize
from sklearn.metrics import log_loss

from kerasqueeze.training.calibration import HIGHEST, confidence, fit_temperature


def sampled(temperature: float, photos: int = 60_000, classes: int = 6):
    """Return logits, and labels drawn from softmax(logits / temperature)."""
    random = np.random.default_rng(7)
    logits = random.normal(0, 3, (photos, classes))
    gumbel = random.gumbel(size=logits.shape)
    return logits, (logits / temperature + gumbel).argmax(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    assert fit_temperature(*sampled(temperature)) == pytest.approx(temperature, rel=0.03)


def test_it_has_the_lowest_log_loss_of_scikit_learn():
    logits, labels = sampled(1.7, photos=500)

    def loss(temperature: float) -> float:
        scaled = np.exp(logits / temperature)
        return log_loss(labels, scaled / scaled.sum(1, keepdims=True), labels=range(6))

    best = optimize.minimize_scalar(loss, bounds=(0.3, 5), method="bounded").x
    assert fit_temperature(logits, labels) == pytest.approx(best, abs=1e-3)


def test_logits_that_are_always_right_or_not_finite_have_a_temperature_all_the_same():
    logits = np.eye(4) * 9
    assert 0 < fit_temperature(logits, np.arange(4)) < 1
    assert fit_temperature(logits, np.roll(np.arange(4), 1)) == pytest.approx(HIGHEST, rel=0.01)
    assert fit_temperature(np.full((2, 3), np.nan), np.zeros(2)) == 1
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0)) == 1


def test_confidence_is_the_probability_of_the_predicted_class():
    np.testing.assert_allclose(confidence(np.log([[0.2, 0.7, 0.1]])), [0.7])
    np.testing.assert_allclose(confidence(np.array([[0.0, 2.0]]), temperature=2), [np.e / (1 + np.e)])
