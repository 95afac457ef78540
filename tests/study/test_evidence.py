"""Which files a report refuses, and what it says of them."""

import pandas as pd
import pytest
from synthetic import edit, make

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import evidence
from kerasqueeze.study.results import read


def problems(out, change=None):
    if change:
        edit(history.json_path(out, "x"), change)
    return evidence.problems(read(out, "x"))


def test_whole_files_have_no_problems(tmp_path):
    make(tmp_path, "x", [0, 1])
    make(tmp_path, "control", [0], weights="imagenet", epochs=0)
    assert problems(tmp_path) == []
    evidence.check([read(tmp_path, name) for name in ("control", "x")])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["runs"].pop("1"), "seed 1 unfinished"),
        (lambda r: r["runs"]["1"].pop("code"), "recorded before the code was (an older record)"),
        (lambda r: r["runs"]["1"].update(code="0ther"), "its seeds were run by different code"),
        (
            lambda r: [
                r["runs"][seed].update(numerics={"platform": name}) for seed, name in (("0", "cpu"), ("1", "gpu"))
            ],
            "its seeds were computed with different numeric settings",
        ),
        (lambda r: r["runs"]["1"].pop("test"), "seed 1: no test scores"),
        (lambda r: r["runs"]["1"].update(best_epoch=2), "seed 1: the lowest validation loss is not at the recorded"),
        (
            lambda r: r["runs"]["1"]["validation"].update(loss=1.5),
            "seed 1: validation loss is 1.0100 in the history, 1.5",
        ),
        (lambda r: r["runs"]["1"]["test"].update(accuracy=0.9), "seed 1: accuracy is 0."),
        (lambda r: r["runs"]["1"]["test"].update(recall=0.1), "seed 1: recall is 0."),
    ],
)
def test_partial_and_stale_records_are_named(change, said, tmp_path):
    make(tmp_path, "x", [0, 1])
    found = problems(tmp_path, change)
    assert any(problem.startswith(said) for problem in found), found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame[frame["seed"] == 0], "seed 1: no predictions"),
        (lambda frame: frame.assign(predicted=0), "seed 1: accuracy is 0.3333 by the predictions, 0."),
    ],
)
def test_predictions_that_do_not_fit_are_named(change, said, tmp_path):
    make(tmp_path, "x", [0, 1])
    path = history.predictions_path(tmp_path, "x")
    change(pd.read_csv(path)).to_csv(path, index=False)
    assert any(problem.startswith(said) for problem in problems(tmp_path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame[frame["photo"] != 5], "seed 0 are not of 90 photos and 3 classes"),
        (lambda frame: frame.assign(predicted=7), "seed 0 are not of 90 photos and 3 classes"),
    ],
)
def test_predictions_of_other_photos_are_not_read_at_all(change, said, tmp_path):
    make(tmp_path, "x", [0, 1])
    path = history.predictions_path(tmp_path, "x")
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(UserError, match=rf"x_predictions\.csv: the predictions of {said}"):
        read(tmp_path, "x")
    make(tmp_path, "x", [0, 1])
    edit(history.json_path(tmp_path, "x"), lambda r: r["data"].update(test=89))
    with pytest.raises(UserError, match="seed 0 are not of 89 photos and 3 classes"):
        read(tmp_path, "x")


def test_all_problems_are_in_one_line(tmp_path):
    make(tmp_path, "x", [0], code=None)
    make(tmp_path, "y", [0], predictions=False)
    make(tmp_path, "z", [0], photos=60)
    with pytest.raises(UserError) as caught:
        evidence.check([read(tmp_path, name) for name in "xyz"])
    said = str(caught.value)
    assert "x: recorded before" in said and "y: seed 0: no predictions" in said and "test differ" in said
    assert "--fresh" in said and "\n" not in said


def test_different_code_is_refused(tmp_path):
    make(tmp_path, "x", [0])
    make(tmp_path, "y", [0], code="0ther")
    with pytest.raises(UserError, match="different code: x by c0de, y by 0ther"):
        evidence.check([read(tmp_path, name) for name in "xy"])


def test_arms_of_one_question_need_the_same_seeds(tmp_path):
    make(tmp_path, "x", [0, 1, 2])
    make(tmp_path, "y", [0])
    x, y = (read(tmp_path, name) for name in "xy")
    with pytest.raises(
        UserError, match=r"y has no seeds 1, 2, which x has; run: .* --exp y --seeds 1,2; or .* --seeds 0"
    ):
        evidence.check_pair_is_complete(x, y)
    evidence.check_pair_is_complete(x.only({0}), y)
