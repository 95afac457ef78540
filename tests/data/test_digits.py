import numpy as np
import pytest
from sklearn.datasets import load_digits

from kerasqueeze.data import datasets


@pytest.fixture(scope="module")
def data():
    return datasets.load("digits", image_size=24)


def test_every_digit_is_there_once(data):
    names = [*data.train.names, *data.validation.names, *data.test.names]
    assert sorted(names) == [f"digit_{number:04d}" for number in range(1797)]
    assert data.class_names == tuple("0123456789") and data.name == "digits"
    target = load_digits()["target"]
    for split in (data.train, data.validation, data.test):
        images, labels = split.batch(np.arange(len(split)))
        assert images.shape == (len(split), 24, 24, 3) and images.dtype == np.uint8 and labels.dtype == np.int32
        np.testing.assert_array_equal(labels, target[[int(name[-4:]) for name in split.names]])


def test_shares(data):
    assert abs(len(data.test) - 1797 / 4) <= 5
    assert abs(len(data.validation) - (1797 - len(data.test)) / 10) <= 5
    for split in (data.test, data.validation):
        share = np.bincount(split.labels) / np.bincount(load_digits()["target"])
        np.testing.assert_allclose(share, len(split) / 1797, rtol=0.1)


def test_enlarged_digits_show_the_digits(data):
    images, _ = data.test.batch(np.arange(len(data.test)))
    assert (images == images[..., :1]).all() and images.min() == 0 and images.max() == 255
    originals = load_digits()["images"][[int(name[-4:]) for name in data.test.names]] * 255 / 16
    centres = images[:, 1::3, 1::3, 0]  # enlarged threefold: there a pixel's centre is the original's
    np.testing.assert_allclose(centres, originals, atol=1)


def test_the_test_half_does_not_move_with_the_seed(data):
    other = datasets.load("digits", image_size=24, seed=1)
    assert other.test.names == data.test.names and other.validation.names != data.validation.names
    assert other.fingerprint == data.fingerprint


def test_fingerprint_tells_sizes_apart(data):
    assert datasets.load("digits", image_size=25).fingerprint != data.fingerprint
    assert len(data.fingerprint) == 16 and int(data.fingerprint, 16)
