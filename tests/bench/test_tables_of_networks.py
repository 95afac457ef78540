"""The benches of freezing and of all backbones, for a moment each."""

import pytest

from kerasqueeze.bench import backbones, freezing

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_a_backbone_is_a_row():
    row = backbones.measure("squeezenet1_1", 1.0, 10, 32, 2, 1, 0.0)
    assert tuple(row) == backbones.COLUMNS
    assert row["parameters"] == 727_626 and row["images_per_second"] > 0
    assert "| squeezenet1_1 | 727,626 | 2.91 |" in backbones.markdown([row])


@pytest.mark.parametrize("choice", ["head", "head, kept features", "head, kept maps"])
def test_every_choice_takes_steps(choice):
    assert choice in freezing.CHOICES
    assert freezing.prepare(choice, 32, 2)(1) > 0
