"""Confusion matrices against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from synthetic import NAMES, make

from kerasqueeze.study import confusion
from kerasqueeze.study.figures import confusion as figure
from kerasqueeze.study.results import read

CLASSES = 5
photos = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


@given(photos)
def test_matrix_and_class_scores_are_scikit_learns(pairs):
    """Classes without a photo or a prediction count 0."""
    label, predicted = np.array(pairs).T
    matrix = confusion.counts(label, predicted, CLASSES)
    every = list(range(CLASSES))
    np.testing.assert_array_equal(matrix, confusion_matrix(label, predicted, labels=every))
    expected = precision_recall_fscore_support(label, predicted, labels=every, zero_division=0)
    table = confusion.table(matrix, [f"c{i}" for i in every])
    for column, values in zip(("precision", "recall", "f1", "photos"), expected, strict=True):
        np.testing.assert_allclose(table[column], values, err_msg=column)
    macro = precision_recall_fscore_support(label, predicted, labels=every, zero_division=0, average="macro")
    found = confusion.scores(matrix)
    assert (found["precision"], found["recall"]) == pytest.approx(macro[:2])
    assert found["accuracy"] == pytest.approx(accuracy_score(label, predicted))


def test_the_most_confused_pairs():
    matrix = np.array([[5, 3, 0], [1, 9, 0], [7, 0, 2]])
    found = confusion.most_confused(matrix, ["a", "b", "c"], pairs=5)
    assert found.values.tolist() == [["c", "a", 7, 7 / 9], ["a", "b", 3, 3 / 8], ["b", "a", 1, 0.1]]
    table = confusion.table(matrix, ["a", "b", "c"])
    assert table["mostly_taken_for"].tolist() == ["b", "a", "a"]
    assert confusion.table(np.diag([1, 2, 3]), ["a", "b", "c"])["mostly_taken_for"].tolist() == ["", "", ""]


def test_seeds_are_summed(tmp_path):
    make(tmp_path, "x", [0, 1, 2], photos=30)
    found = read(tmp_path, "x")
    matrix = confusion.of_result(found)
    assert matrix is not None and matrix.sum() == 90
    assert confusion.table(matrix, NAMES, seeds=3)["photos"].tolist() == [10, 10, 10]
    make(tmp_path, "old", [0], predictions=False)
    assert confusion.of_result(read(tmp_path, "old")) is None


def test_the_bootstrap_of_macro_recall_is_its_closed_form():
    """With a fixed number of photos a class the variance of macro recall is the mean of r(1 - r)/n over C."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(4), 200)
    shares = np.array([0.3, 0.5, 0.7, 0.8])[label]
    predicted = np.where(rng.random(800) < shares, label, (label + 1) % 4)
    found = confusion.over_photos(label, predicted, 4)["recall"]
    recall = confusion.table(confusion.counts(label, predicted, 4), list("abcd"))["recall"].to_numpy()
    half = 1.96 * np.sqrt(np.sum(recall * (1 - recall) / 200)) / 4
    assert found == pytest.approx((recall.mean(), recall.mean() - half, recall.mean() + half), abs=0.004)
    assert confusion.over_photos(label, predicted, 4)["recall"] == found


def test_a_class_without_photos_does_not_break_the_bootstrap():
    found = confusion.over_photos(np.array([0, 0, 2]), np.array([0, 2, 2]), 3)
    assert 0 <= found["precision"].low <= found["precision"].high <= 1


def test_the_picture_of_120_classes_is_large_enough_to_read(tmp_path):
    path = figure.path(tmp_path, "x")
    figure.draw_matrix(np.eye(120, dtype=int), [f"breed {i}" for i in range(120)], "x", path)
    with Image.open(path) as picture:
        assert min(picture.size) >= 120 * 12
