"""The picture of blocks of layers, drawn from files as training leaves them."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study.figures import layers

BLOCKS = ("conv1", *(f"fire{number}" for number in range(2, 10)), "conv10", "all")


def write(out, name, *, seeds=(0, 1), epochs=3, maximum=True):
    keys = pd.DataFrame(itertools.product(seeds, range(1, epochs + 1), BLOCKS), columns=["seed", "epoch", "block"])
    rng = np.random.default_rng(0)
    values = {column: rng.uniform(0.1, 1, len(keys)) for column in history.LAYER_COLUMNS[3:]}
    frame = keys.assign(**values)
    if not maximum:
        frame[["maximum_binds", "rate_ratio"]] = np.nan
    history.write_layers(history.layers_path(out, name), frame)
    return frame


@pytest.mark.parametrize(("maximum", "panels"), [(True, 5), (False, 3)])
def test_a_panel_for_all_that_is_known(tmp_path, monkeypatch, maximum, panels):
    frame = write(tmp_path, "x", maximum=maximum)
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    path = layers.draw(tmp_path, "x")
    monkeypatch.undo()
    with Image.open(path) as picture:
        picture.verify()
    assert path == tmp_path / "PNG" / "x_layers.png"
    (figure,) = figures
    assert len(figure.axes) == panels
    lines = {line.get_label(): line for line in figure.axes[1].get_lines()}
    assert tuple(lines) == BLOCKS
    mean = frame[frame["block"] == "fire5"].groupby("epoch")["update_ratio"].mean()
    np.testing.assert_allclose(lines["fire5"].get_ydata(), mean, rtol=1e-12)
    plt.close(figure)


def test_one_epoch_of_zeros_can_be_drawn(tmp_path):
    frame = write(tmp_path, "x", seeds=(0,), epochs=1)
    frame[list(history.LAYER_COLUMNS[3:])] = 0.0
    history.write_layers(history.layers_path(tmp_path, "x"), frame)
    assert layers.draw(tmp_path, "x").exists()


def test_a_log_without_rows_is_refused(tmp_path):
    history.write_layers(history.layers_path(tmp_path, "x"), pd.DataFrame(columns=list(history.LAYER_COLUMNS)))
    with pytest.raises(UserError, match=r"x_layers\.csv has no rows"):
        layers.draw(tmp_path, "x")
