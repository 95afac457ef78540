"""Expected calibration error and reliability, against scikit-learn; scores of evaluations, against it as well."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from kerasqueeze.errors import UserError
from kerasqueeze.study import evaluation
from kerasqueeze.study.calibration import reliability


def test_bins_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    sure = random.uniform(0.05, 1, 5000)
    right = random.uniform(size=5000) < sure**2
    found = reliability(sure, right)
    accuracy, confidence = calibration_curve(right, sure, n_bins=15, strategy="uniform")
    np.testing.assert_allclose(found.accuracy, accuracy)
    np.testing.assert_allclose(found.confidence, confidence)
    assert found.photos.sum() == 5000


def test_the_error_by_hand():
    """Two photos at 0.9 of which one is right, two at 0.2 of which none is: (2 · 0.4 + 2 · 0.2) / 4."""
    found = reliability(np.array([0.9, 0.9, 0.2, 0.2]), np.array([True, False, False, False]))
    assert found.error == pytest.approx(0.3)


def test_probabilities_that_mean_what_they_say_have_no_error():
    random = np.random.default_rng(1)
    sure = random.uniform(size=200_000)
    assert reliability(sure, random.uniform(size=200_000) < sure).error < 0.005
    assert reliability(np.array([0.0, 1.0]), np.array([False, True])).error == 0


def test_newcombes_own_example():
    """56 of 70 against 48 of 80: 0.2, 0.0524 to 0.3339 (Statistics in Medicine 17, 1998, table II, method 10)."""
    found = evaluation.newcombe((56, 70), (48, 80))
    assert found.estimate == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


def rows(photos=400, classes=9, among=(1, 4, 7)):
    random = np.random.default_rng(3)
    labels = random.choice(among, photos)
    logits = random.normal(size=(photos, classes))
    logits[np.arange(photos), labels] += 1.2
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return labels, probabilities, evaluation.rows([str(n) for n in range(photos)], labels, probabilities, among)


def test_scores_are_those_of_scikit_learn():
    labels, probabilities, frame = rows()
    found = evaluation.scores(frame, 9, (1, 4, 7))
    predicted = probabilities.argmax(1)
    assert found["accuracy"].estimate == pytest.approx(sk.accuracy_score(labels, predicted))
    assert found["top5"].estimate == pytest.approx(sk.top_k_accuracy_score(labels, probabilities, k=5, labels=range(9)))
    options = {"labels": [1, 4, 7], "average": "macro", "zero_division": 0}
    assert found["precision"].estimate == pytest.approx(sk.precision_score(labels, predicted, **options))
    assert found["recall"].estimate == pytest.approx(sk.recall_score(labels, predicted, **options))
    assert found["accuracy"].low < found["accuracy"].estimate < found["accuracy"].high


def test_scores_among_some_classes_see_no_others():
    labels, probabilities, frame = rows()
    found = evaluation.scores(frame, 9, (1, 4, 7), only_among=True)
    chosen = np.array([1, 4, 7])[probabilities[:, [1, 4, 7]].argmax(1)]
    assert found["accuracy"].estimate == pytest.approx((labels == chosen).mean())
    assert found["recall"].estimate == pytest.approx(sk.recall_score(labels, chosen, average="macro"))
    assert "top5" not in found


def test_an_evaluation_comes_back_from_its_file(tmp_path):
    _, _, frame = rows(20)
    path = evaluation.write(tmp_path, "pets-1", frame, {"model": "x"})
    assert path == tmp_path / "CSV" / "evaluations" / "pets-1.csv"
    pd.testing.assert_frame_equal(evaluation.read(path), frame.astype({"photo": int}), check_dtype=False)
    with pytest.raises(UserError, match=r"'\.\./x' is no name for an evaluation"):
        evaluation.write(tmp_path, "../x", frame, {})
