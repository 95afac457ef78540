import ast
import time
from pathlib import Path

import numpy as np
import pytest

from kerasqueeze.data import datasets
from kerasqueeze.errors import UserError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"name": "dogs"},
            "unknown data set 'dogs'; choose from: cifar10, digits, folder, stanford_cars, stanford_dogs, tfds:NAME",
        ),
        ({"image_size": 7}, "image_size is 7; expected a whole number of pixels from 8 to 4096"),
        ({"image_size": 1e6}, "image_size is 1000000.0"),
        ({"image_size": "224"}, "image_size is '224'"),
        ({"seed": -1}, "split seed is -1"),
        ({"seed": 0.5}, "split seed is 0.5"),
        ({"validation_fraction": 0}, "validation_fraction is 0; expected a share between 0 and 1"),
        ({"validation_fraction": 10}, "validation_fraction is 10"),
        ({"validation_fraction": float("nan")}, "validation_fraction is nan"),
        ({"limit": 0}, "limit is 0; expected at least 1 photo a class"),
        ({"limit": True}, "limit is True"),
        ({"on_broken": "ignore"}, "unknown on_broken 'ignore'; choose from: fatal, skip"),
        ({"data_dir": "/"}, "digits.*takes no data_dir; received '/'"),
        ({"data_dir": "~/no such folder"}, "is not a folder"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(UserError, match=message):
        datasets.load(**{"name": "digits", "image_size": 8, **options})


@pytest.fixture(scope="module")
def whole():
    return datasets.load("digits", image_size=8)


def test_limit_shrinks_training_alone(whole):
    few = datasets.load("digits", image_size=8, limit=5)
    np.testing.assert_array_equal(np.bincount(few.train.labels), np.full(10, 5))
    assert set(few.train.names) < set(whole.train.names)
    assert (few.validation.names, few.test.names) == (whole.validation.names, whole.test.names)
    assert few.fingerprint == whole.fingerprint
    fewer = datasets.load("digits", image_size=8, limit=2)
    assert set(fewer.train.names) < set(few.train.names)
    others = datasets.load("digits", image_size=8, limit=5, seed=1)
    assert set(others.train.names) != set(few.train.names)
    assert datasets.load("digits", image_size=8, limit=10_000).train.names == whole.train.names


def test_validation_fraction(whole):
    half = datasets.load("digits", image_size=8, validation_fraction=0.5)
    assert abs(len(half.validation) - len(half.train)) <= 10 and half.test.names == whole.test.names
    tiny = datasets.load("digits", image_size=8, validation_fraction=1e-6)
    np.testing.assert_array_equal(np.bincount(tiny.validation.labels), np.ones(10))


def test_no_module_but_their_own_knows_a_data_set_by_name():
    for path in Path(datasets.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.Constant) and node.value in datasets.NAMES), f"{path}: {node.value}"


def test_every_set_says_how_many_photos_it_has(heard):
    datasets.load("digits", image_size=8, limit=7, progress=heard)
    assert len(heard.notes) == 1
    assert heard.notes[0].startswith("digits: 10 classes; 70 photos to train on, ")


def test_loading_digits_again_takes_no_time():
    datasets.load("digits", image_size=32)
    started = time.perf_counter()
    datasets.load("digits", image_size=32)
    assert time.perf_counter() - started < 1
