"""A setting's type, meaning and limits, from its annotation."""

import math
from dataclasses import MISSING, dataclass
from typing import Annotated

import pytest

from kerasqueeze.errors import UserError
from kerasqueeze.training.experiment import Experiment, completed
from kerasqueeze.training.settings import Choices, Range, fields


@dataclass(frozen=True)
class Made:
    """A table of settings with one of each kind."""

    whole: Annotated[int, "a count", Range(1, 10)]
    share: Annotated[float, "a share", Range(0, 1, below=True)] = 0.5
    above: Annotated[float, "a rate", Range(0, above=True)] = 1.0
    closed: Annotated[float, "a strength", Range(0, 1)] = 0.0
    gap: Annotated[float, "nothing, or enough", Range(0.02, 1, above=True, or_zero=True)] = 0.0
    side: Annotated[int | None, "a side", Range(2, "whole", unit="pixels")] = None
    kind: Annotated[str, "a kind", Choices(("b", "a"), noun="kind of thing")] = "a"
    free: Annotated[str, "any text"] = ""
    note: str = "no setting"


@pytest.mark.parametrize(
    ("name", "good", "bad", "expected"),
    [
        ("whole", (1, 10), (0, 11, 10**30, -1), "a whole number from 1 up, at most 10"),
        ("share", (0, 0.0, -0.0, 0.999), (1, 1.0, -1e-9, math.nan, math.inf), "a number from 0 up, below 1"),
        ("above", (1e-300, 1e300), (0, 0.0, -1.0, math.nan, math.inf, 10**400), "a number above 0"),
        ("closed", (0, 1, 1.0), (-0.1, 1.1, math.nan), "a number from 0 to 1"),
        ("gap", (0, 0.03, 1), (0.02, 0.01, -1, 1.1, math.nan), "0, or a number above 0.02, at most 1"),
        ("side", (None, 2, 5), (1, 6), "2 to whole=5 pixels"),
    ],
)
def test_numbers_at_their_limits(name, good, bad, expected):
    field, others = fields(Made)[name], Made(whole=5)
    for value in good:
        field.check(value, others)
    for value in bad:
        with pytest.raises(UserError) as raised:
            field.check(value, others)
        assert str(raised.value) == f"{name}={value!r} is out of range; expected {expected}"


def test_names_are_one_of_the_choices():
    with pytest.raises(UserError, match="unknown kind of thing 'c'; choose from: a, b"):
        fields(Made)["kind"].check("c", None)
    fields(Made)["free"].check("anything", None)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("whole", 1.0, "of type float; expected int"),
        ("whole", True, "of type bool; expected int"),
        ("whole", None, "of type NoneType; expected int"),
        ("side", "2", r"of type str; expected int \| None"),
        ("share", "0.5", "of type str; expected float"),
        ("free", 1, "of type int; expected str"),
    ],
)
def test_types(name, value, wanted):
    with pytest.raises(UserError, match=wanted):
        fields(Made)[name].check_type(value)


def test_a_whole_number_is_a_number_and_none_is_allowed_where_it_is_annotated():
    fields(Made)["share"].check_type(0)
    fields(Made)["side"].check_type(None)


def test_the_table_is_in_order_and_holds_what_is_annotated():
    found = fields(Made)
    assert list(found) == ["whole", "share", "above", "closed", "gap", "side", "kind", "free"]
    assert found["whole"].default is MISSING and found["share"].default == 0.5
    assert (found["side"].kind, found["side"].optional, found["whole"].optional) == (int, True, False)
    assert [field.about for field in found.values()][-1] == "any text"


def test_every_field_of_an_experiment_is_explained():
    assert list(fields(Experiment)) == list(Experiment.__dataclass_fields__)


RECORDED = (
    "name dataset model weights optimizer amsgrad_form learning_rate warmup_steps epochs batch_size image_size "
    "crop_size clip_norm weight_decay ema_momentum head label_smoothing dropout crop_area flip colour erase patience "
    "limit"
)


def test_records_have_the_keys_that_they_had():
    experiment = Experiment(name="x", about="y", dataset="digits")
    names = list(experiment.settings())
    assert [name for name in names if name in RECORDED.split()] == RECORDED.split()
    assert completed({"name": "x", "dataset": "digits"}) == {**experiment.settings()}
