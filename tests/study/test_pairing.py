"""What is a pair and what is not."""

import pytest
from synthetic import edit, make

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import pairing
from kerasqueeze.study.results import read


def pair(out, **second):
    make(out, "a", [0, 1, 2])
    make(out, "b", second.pop("seeds", [0, 1, 2]), optimizer="amsgrad", **second)
    return read(out, "a"), read(out, "b")


def test_the_same_hashes_are_pairs(tmp_path):
    arms = pair(tmp_path)
    assert pairing.why_not_paired(*arms) == {}
    pairing.demand_paired(*arms)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"weights": "imagenet"}, r"initial weights differ \(seeds 0, 1, 2\)\. To do: .* treatment of their own"),
        ({"image_size": 64}, r"the first batch differs \(seeds 0, 1, 2\)\. To do: .* another image size"),
        ({"code": "0ther"}, r"code differs \(seeds 0, 1, 2\)\. To do: run both again by the same code"),
        ({"code": None}, r"cannot be shown to be paired, .* \(b seeds 0, 1, 2\)\. To do: run again with --fresh"),
        ({"seeds": [5]}, "no seed in common. To do: run both with the same --seeds"),
        ({"epochs": 0}, "b was not trained: it has no seeds to pair; leave --paired out"),
    ],
)
def test_what_is_not_a_pair_is_refused_with_its_remedy(second, said, tmp_path):
    with pytest.raises(UserError, match=said):
        pairing.demand_paired(*pair(tmp_path, **second))


def test_a_single_seed_that_differs_is_named(tmp_path):
    pair(tmp_path)
    edit(history.json_path(tmp_path, "b"), lambda record: record["runs"]["1"].update(initial_weights="other"))
    found = pairing.why_not_paired(read(tmp_path, "a"), read(tmp_path, "b"))
    assert found == {"initial_weights": "initial weights differ (seed 1)"}


def test_other_numeric_settings_are_no_pairs_where_both_are_known(tmp_path):
    arms = pair(tmp_path)
    edit(history.json_path(tmp_path, "a"), lambda record: record["runs"]["1"].update(numerics={"platform": "cpu"}))
    assert pairing.why_not_paired(*(read(tmp_path, arm.name) for arm in arms)) == {}
    edit(history.json_path(tmp_path, "b"), lambda record: record["runs"]["1"].update(numerics={"platform": "gpu"}))
    with pytest.raises(UserError, match=r"numeric settings differ \(seed 1\)\. To do: run both again with the same"):
        pairing.demand_paired(*(read(tmp_path, arm.name) for arm in arms))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"photos": 60}, "test differ"),
        ({"names": ["x", "y"]}, "classes differ"),
        ({"dataset": "folder"}, "name differ"),
    ],
)
def test_other_photos_are_refused(second, said, tmp_path):
    with pytest.raises(UserError, match=f"not run on the same photos: {said}"):
        pairing.check_same_photos(*pair(tmp_path, **second))


def test_fingerprints_are_compared_where_the_size_is_the_same(tmp_path):
    pairing.check_same_photos(*pair(tmp_path, image_size=64))
    edit(history.json_path(tmp_path, "b"), lambda record: record["experiment"].update(image_size=32))
    with pytest.raises(UserError, match="fingerprint differ"):
        pairing.check_same_photos(read(tmp_path, "a"), read(tmp_path, "b"))


def test_photos_in_another_order_are_refused(tmp_path):
    pair(tmp_path)
    path = history.predictions_path(tmp_path, "b")
    frame = history.read_predictions(path)
    frame.assign(label=(frame["label"] + 1) % 3, predicted=(frame["predicted"] + 1) % 3).to_csv(path, index=False)
    with pytest.raises(UserError, match="labels of the predictions differ"):
        pairing.check_same_photos(read(tmp_path, "a"), read(tmp_path, "b"))
