"""The model card: as it went in, so it comes out; damaged ones in one line; Keras passes over it."""

import json
import zipfile

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasqueeze.errors import UserError
from kerasqueeze.models import card
from kerasqueeze.models.card import Card

CARD = Card(("Chihuahua", "n02085782-Japanese_spaniel"), 64, "squash", 96, 1.25, origin={"seed": 3})


@given(st.lists(st.text(st.characters(), min_size=1), min_size=1, max_size=5), st.floats(0.01, 100))
def test_a_card_read_back_is_the_card(names, temperature):
    """Any name that a folder can have, bytes that are no UTF-8 included."""
    one = Card((*names, "\udcff"), 32, temperature=temperature)
    assert Card.from_json(one.to_json(), "x") == one


def test_keras_loads_a_file_with_a_card(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    path = tmp_path / "x.keras"
    model.save(path)
    card.add(path, CARD)
    assert card.read(path) == CARD
    pixels = np.ones((3, 4), np.float32)
    np.testing.assert_array_equal(keras.models.load_model(path)(pixels), model(pixels))


def test_scores_that_are_no_numbers_become_null():
    """A run whose loss is NaN saves its network all the same."""
    one = Card(("a",), 32, origin={"test": {"loss": float("nan"), "accuracy": 0.5}, "tried": (float("inf"), 1)})
    assert Card.from_json(one.to_json(), "x").origin == {"test": {"loss": None, "accuracy": 0.5}, "tried": [None, 1]}


def test_a_file_of_an_earlier_version_has_no_card(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(tmp_path / "x.keras")
    assert card.read(tmp_path / "x.keras") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "no 'format' that this version knows"),
        ({"class_names": "dogs"}, "no list of class names"),
        ({"class_names": []}, "0 class names; expected 1"),
        ({"class_names": [1]}, "1 class names; expected"),
        ({"image_size": 10**6}, "an image size of 1000000; expected 8 to 4096"),
        ({"network_size": "big"}, "an image size of 'big'"),
        ({"resize": "stretch"}, "resize='stretch'; expected one of crop, squash"),
        ({"temperature": 0}, "a temperature of 0; expected"),
        ({"temperature": "warm"}, "a temperature of 'warm'"),
        ({"activation": "tanh"}, "activation='tanh'"),
        ({"origin": []}, "an origin that is no table"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_in_a_line(change, said):
    text = json.dumps({**json.loads(CARD.to_json()), **change})
    with pytest.raises(UserError, match=said) as raised:
        Card.from_json(text, "x.keras")
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("x.keras: ")


def test_deep_or_torn_json_and_no_archive_are_refused(tmp_path):
    for text in ("[" * 100_000, "{", b"\xff", "null"):
        with pytest.raises(UserError, match="cannot be used"):
            Card.from_json(text, "x")
    (tmp_path / "x.keras").write_bytes(b"PK not a zip")
    with pytest.raises(UserError, match=r"is damaged, or no \.keras file"):
        card.read(tmp_path / "x.keras")
    with pytest.raises(UserError, match="no model file at"):
        card.read(tmp_path / "y.keras")


def test_a_card_too_large_is_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(card.MEMBER, b" " * (card.MAX_BYTES + 1))
    with pytest.raises(UserError, match="larger than 4 MiB"):
        card.read(tmp_path / "x.keras")


def test_the_same_card_gives_the_same_bytes(tmp_path):
    for name in "ab":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(zipfile.ZipInfo("config.json"), "{}")
        card.add(tmp_path / name, CARD)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
