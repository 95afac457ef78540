"""The picture of a sweep."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kerasqueeze.errors import UserError
from kerasqueeze.study import sweep
from kerasqueeze.study.figures import sweep_curves


def table(arms=2, seeds=(0, 1)):
    fixed = dict.fromkeys(sweep.COLUMNS, 1) | {"dataset": "digits", "outcome": "overfitting", "classes": 10}
    rows = [
        fixed | {"experiment": f"arm{arm}", "learning_rate": rate, "seed": seed, "accuracy_val": rate * 50 + arm / 10}
        for arm in range(arms)
        for rate in (1e-4, 1e-3, 1e-2)
        for seed in seeds
    ]
    return pd.DataFrame(rows, columns=list(sweep.COLUMNS))


def test_the_picture_shows_accuracy_loss_and_expected_best(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    path = sweep_curves.draw(table(), tmp_path)
    monkeypatch.undo()
    assert path == tmp_path / "PNG" / "sweep.png"
    with Image.open(path) as picture:
        picture.verify()
    accuracy, loss, curve = figures[0].axes
    assert accuracy.get_xscale() == loss.get_xscale() == "log"
    np.testing.assert_allclose(accuracy.get_lines()[1].get_ydata(), [0.105, 0.15, 0.6])
    np.testing.assert_allclose(curve.get_lines()[1].get_ydata(), [0.285, 0.45, 0.6], rtol=1e-12)
    plt.close(figures[0])


def test_one_seed_one_arm_and_six_can_be_drawn(tmp_path):
    sweep_curves.draw(table(arms=1, seeds=(0,)), tmp_path)
    assert sweep_curves.draw(table(arms=6), tmp_path).exists()


@pytest.mark.parametrize("arms", [0, 7])
def test_too_few_and_too_many_arms_are_refused(tmp_path, arms):
    with pytest.raises(UserError, match=f"{arms} experiments with finished rates cannot be drawn; expected 1 to 6"):
        sweep_curves.draw(table(arms=arms), tmp_path)
