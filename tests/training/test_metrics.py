"""The confusion matrix's metrics against scikit-learn."""

import keras
import numpy as np
import pytest
from sklearn import metrics as sk

from kerasqueeze.training.metrics import ConfusionMetrics


def batches(rng, classes, photos, labels_below):
    labels = rng.integers(0, labels_below, photos)
    scores = rng.normal(size=(photos, classes)).astype("float32")
    scores[np.arange(photos), labels] += rng.choice([0.0, 4.0], photos)
    return labels, scores


@pytest.mark.parametrize(("classes", "labels_below"), [(120, 120), (10, 7), (3, 3)])
def test_equals_scikit_learn(classes, labels_below):
    labels, scores = batches(np.random.default_rng(classes), classes, 700, labels_below)
    metric = ConfusionMetrics(classes)
    for start in range(0, 700, 32):  # the last batch is partial
        metric.update_state(labels[start : start + 32], scores[start : start + 32])
    result = {key: float(value) for key, value in metric.result().items()}
    predicted, every = scores.argmax(1), list(range(classes))
    macro = {"labels": every, "average": "macro", "zero_division": 0}
    np.testing.assert_array_equal(np.asarray(metric.matrix), sk.confusion_matrix(labels, predicted, labels=every))
    assert result["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted), abs=1e-6)
    assert result["precision"] == pytest.approx(sk.precision_score(labels, predicted, **macro), abs=1e-6)
    assert result["recall"] == pytest.approx(sk.recall_score(labels, predicted, **macro), abs=1e-6)
    k = min(5, classes)
    if k < classes:
        assert result["top5"] == pytest.approx(sk.top_k_accuracy_score(labels, scores, k=k, labels=every), abs=1e-6)
    else:
        assert result["top5"] == 1.0


def test_starts_again_after_reset_and_is_zero_before_the_first_photo():
    metric = ConfusionMetrics(4)
    metric.update_state([0, 1], np.eye(4)[:2])
    metric.reset_state()
    assert {key: float(value) for key, value in metric.result().items()} == {
        "accuracy": 0,
        "top5": 0,
        "precision": 0,
        "recall": 0,
    }


def test_refuses_weights():
    with pytest.raises(ValueError, match="takes no weights"):
        ConfusionMetrics(2).update_state([0], [[1.0, 0.0]], sample_weight=[2.0])


def test_fit_and_evaluate_report_it_under_plain_names():
    rng = np.random.default_rng(0)
    labels, pixels = rng.integers(0, 6, 50), rng.normal(size=(50, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=[ConfusionMetrics(6)])
    logs = model.fit(pixels, labels, batch_size=16, verbose=0, validation_data=(pixels, labels)).history
    expected = {"loss", "accuracy", "top5", "precision", "recall"}
    assert logs.keys() == expected | {f"val_{key}" for key in expected}
    scores = model.evaluate(pixels, labels, verbose=0, return_dict=True)
    predicted = model.predict(pixels, verbose=0).argmax(1)
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted), abs=1e-6)
    assert scores["recall"] == pytest.approx(
        sk.recall_score(labels, predicted, labels=range(6), average="macro", zero_division=0), abs=1e-6
    )


def test_saves_and_loads():
    config = keras.saving.serialize_keras_object(ConfusionMetrics(7))
    assert keras.saving.deserialize_keras_object(config).classes == 7
