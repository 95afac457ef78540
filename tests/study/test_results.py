"""Results out of files as a run leaves them."""

import numpy as np
import pytest
from synthetic import edit, make

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import results


def test_rows_of_unfinished_seeds_are_not_read_but_named(tmp_path):
    make(tmp_path, "x", [0, 1])
    edit(history.json_path(tmp_path, "x"), lambda record: record["runs"].pop("1"))
    found = results.read(tmp_path, "x")
    assert set(found.rows["seed"]) == {0}
    assert found.unfinished == (1,)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    make(tmp_path, "x", [0])
    frame = history.read_csv(history.csv_path(tmp_path, "x"))
    history.write_csv(history.csv_path(tmp_path, "x"), frame[frame["epoch"] < 3])
    with pytest.raises(UserError, match="do not agree on seed 0"):
        results.read(tmp_path, "x")


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no history at .*nothing\.csv; run the experiment first"):
        results.read(tmp_path, "nothing")
    make(tmp_path, "x", [0])
    history.predictions_path(tmp_path, "x").write_text("seed,photo,label,predicted\n0,0,1,0.5\n")
    with pytest.raises(UserError, match=r"holds '0.5' as predicted in row 1; expected a whole number"):
        results.read(tmp_path, "x")
    history.predictions_path(tmp_path, "x").write_text("seed,photo,label,predicted\n0,0,1,1\n0,0,1,1\n")
    with pytest.raises(UserError, match="holds a photo of one seed twice"):
        results.read(tmp_path, "x")
    history.json_path(tmp_path, "x").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        results.read(tmp_path, "x")
    history.csv_path(tmp_path, "x").write_text("")
    with pytest.raises(UserError, match="is not a CSV file"):
        results.read(tmp_path, "x")


def test_missing_predictions_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no predictions at .*x_predictions\.csv; .* --exp x --fresh"):
        history.read_predictions(history.predictions_path(tmp_path, "x"))


def test_a_control_has_no_rows_and_was_not_trained(tmp_path):
    make(tmp_path, "control", [0], weights="imagenet", epochs=0)
    found = results.read(tmp_path, "control")
    assert len(found.rows) == 0 and not found.trained and found.pretrained
    assert found.only({5}).runs.keys() == {0}


def test_seeds_are_chosen(tmp_path):
    make(tmp_path, "x", [0, 1, 2])
    found = results.read(tmp_path, "x").only({1, 7})
    assert list(found.runs) == [1]
    assert set(found.rows["seed"]) == {1}


def test_right_is_by_photo(tmp_path):
    make(tmp_path, "x", [0, 1], photos=30)
    found = results.read(tmp_path, "x")
    right = found.right(1)
    assert right is not None and right.shape == (30,)
    assert right.mean() == pytest.approx(found.test("accuracy")[1])
    assert found.right(2) is None


def test_what_never_looked_at_the_test_photos_is_left_out(tmp_path):
    make(tmp_path, "scored", [0])
    make(tmp_path, "begun", [])
    make(tmp_path, "swept", [0], predictions=False)
    edit(history.json_path(tmp_path, "swept"), lambda record: record["runs"]["0"].pop("test"))
    assert [found.name for found in results.read_all(tmp_path)] == ["scored"]
    with pytest.raises(UserError, match="swept seed 0 has no accuracy on the test photos"):
        results.read(tmp_path, "swept").test("accuracy")
    with pytest.raises(UserError, match="has no finished seed"):
        results.read(tmp_path, "begun")


def test_class_names_are_readable(tmp_path):
    make(tmp_path, "x", [0])
    assert results.read(tmp_path, "x").class_names == ["Chihuahua", "Maltese dog", "Shih|Tzu"]
    edit(history.json_path(tmp_path, "x"), lambda record: record["data"].pop("class_names"))
    assert results.read(tmp_path, "x").class_names == ["class 0", "class 1", "class 2"]


def test_older_records_are_read(tmp_path):
    make(tmp_path, "x", [0], predictions=False, code=None)
    found = results.read(tmp_path, "x")
    assert found.predictions is None and found.right(0) is None
    assert np.isfinite(found.test("top5")[0])
