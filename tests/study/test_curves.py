"""Pictures of synthetic results."""

import numpy as np
import pytest
from PIL import Image
from synthetic import make, study

from kerasqueeze.errors import UserError
from kerasqueeze.study import results
from kerasqueeze.study.figures import curves


def test_pictures_are_whole_and_differ_in_grey(tmp_path):
    make(tmp_path, "a", [0, 1])
    make(tmp_path, "b", [0], accuracy=0.1)
    pair = [results.read(tmp_path, name) for name in ("a", "b")]
    path = curves.combined_path(tmp_path, "a", "b")
    curves.draw(pair, path)
    curves.draw(pair[:1], curves.single_path(tmp_path, "a"))
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["a.png", "a_VS_b_combined.png"]
    grey = np.asarray(Image.open(path).convert("L"))
    assert grey.shape[1] > 3 * grey.shape[0]
    assert grey.min() < 100 < 250 < grey.max()


def test_arms_are_told_apart_without_colour():
    """The two styles differ in line and marker, and in lightness (WCAG relative luminance) too."""

    def luminance(color):
        channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    first, second = curves.ARMS
    assert first["linestyle"] != second["linestyle"]
    assert first["marker"] != second["marker"]
    assert abs(luminance(first["color"]) - luminance(second["color"])) > 0.05


def test_three_arms_are_refused(tmp_path):
    make(tmp_path, "a", [0])
    with pytest.raises(UserError, match="expected one or two"):
        curves.draw([results.read(tmp_path, "a")] * 3, tmp_path / "x.png")


def test_a_control_is_drawn_as_a_level_line(tmp_path):
    make(tmp_path, "a", [0, 1])
    make(tmp_path, "control", [0], weights="imagenet", epochs=0)
    curves.draw([results.read(tmp_path, name) for name in ("a", "control")], tmp_path / "pair.png")
    curves.draw([results.read(tmp_path, "control")], tmp_path / "alone.png")
    with Image.open(tmp_path / "alone.png") as picture:
        picture.verify()


def test_intervals_of_all_experiments_in_one_picture(tmp_path):
    study(tmp_path)
    curves.draw_intervals(results.read_all(tmp_path), curves.intervals_path(tmp_path))
    assert np.asarray(Image.open(curves.intervals_path(tmp_path)).convert("L")).min() < 100
