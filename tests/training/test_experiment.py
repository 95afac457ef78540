"""Experiments refuse what cannot be meant."""

import pytest

from kerasqueeze.errors import UserError
from kerasqueeze.training.experiment import Experiment

BASE = Experiment(name="x", about="", dataset="digits")


def test_override_changes_a_copy():
    changed = BASE.override(epochs=3, learning_rate=1, limit=5)
    assert (changed.epochs, changed.learning_rate, changed.limit) == (3, 1, 5)
    assert BASE.epochs == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'; choose from: .*epochs"),
        ({"epochs": "3"}, "epochs='3' is of type str; expected int"),
        ({"epochs": True}, "epochs=True is of type bool; expected int"),
        ({"epochs": 2.0}, "epochs=2.0 is of type float; expected int"),
        ({"flip": 1}, "flip=1 is of type int; expected bool"),
        ({"limit": "all"}, r"limit='all' is of type str; expected int \| None"),
        ({"epochs": -1}, "epochs=-1 is out of range; expected a whole number from 0 up"),
        ({"image_size": 31}, "image_size=31 is out of range; expected 32 to 1024 pixels"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0 is out of range"),
        ({"learning_rate": float("nan")}, "learning_rate=nan is out of range"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range"),
        ({"crop_area": 0.0}, "crop_area=0.0 is out of range"),
        ({"optimizer": "sgdm"}, "unknown optimizer 'sgdm'; choose from: adagrad, adam, adam_matched,"),
        ({"amsgrad_form": "torch"}, "unknown AMSGrad form 'torch'; choose from: corrected, keras, paper"),
        ({"amsgrad_form": "paper"}, "amsgrad_form='paper' does nothing with optimizer='adam'; use 'amsgrad'"),
        ({"limit": 1}, "limit=1 is out of range"),
        ({"crop_size": 31}, "crop_size=31 is out of range; expected 32 to 1024 pixels"),
        ({"crop_size": 129}, "crop_size=129 is out of range; expected 32 to image_size=128 pixels"),
        ({"colour": 1.1}, "colour=1.1 is out of range; expected a number from 0 to 1"),
        ({"erase": 0.01}, r"erase=0.01 is out of range; expected 0, or a number above 0\.02, at most 1"),
    ],
)
def test_bad_values_are_named(change, message):
    with pytest.raises(UserError, match=message):
        BASE.override(**change)


def test_settings_hold_all_that_decides_a_result():
    settings = BASE.settings()
    assert "about" not in settings
    assert {"dataset", "weights", "optimizer", "learning_rate", "epochs", "image_size", "limit"} <= settings.keys()
