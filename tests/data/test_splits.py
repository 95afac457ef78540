import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasqueeze.data.splits import Split, at_most, stratified

labellings = st.lists(st.integers(2, 30), min_size=1, max_size=6).flatmap(
    lambda counts: st.permutations([label for label, count in enumerate(counts) for _ in range(count)])
)


@given(labellings, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_every_class_is_cut_in_its_share(labels, fraction, seed):
    labels = np.array(labels)
    kept, held_out = stratified(labels, fraction, seed)
    assert sorted([*kept, *held_out]) == list(range(len(labels)))
    assert (np.diff(kept) > 0).all() and (np.diff(held_out) > 0).all()
    for label in set(labels.tolist()):
        count, out = (labels == label).sum(), (labels[held_out] == label).sum()
        assert 1 <= out <= count - 1
        assert abs(out - fraction * count) <= max(0.5, 1 - fraction * count, fraction * count - (count - 1)) + 1e-9


def test_the_draw_is_the_seeds():
    labels = np.repeat(np.arange(5), 40)
    first, again, other = (stratified(labels, 0.25, seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first.tolist()) != set(other.tolist())


def test_a_class_is_drawn_alike_whatever_the_others_are():
    alone = stratified(np.zeros(50, int), 0.2, 3)[1]
    beside = stratified(np.array([0] * 50 + [1] * 9), 0.2, 3)[1]
    np.testing.assert_array_equal(alone, beside[beside < 50])


def test_no_position_is_favoured():
    held_out = np.concatenate([stratified(np.zeros(10, int), 0.3, seed)[1] for seed in range(1000)])
    counts = np.bincount(held_out, minlength=10)  # 300 expected, standard deviation 14.5
    assert counts.min() > 240 and counts.max() < 360


def test_smaller_limits_keep_subsets():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [3, 10, 20, 30]))
    kept = {limit: set(at_most(labels, limit, 5).tolist()) for limit in (1, 4, 12, 99)}
    assert kept[1] < kept[4] < kept[12] < kept[99] == set(range(63))
    np.testing.assert_array_equal(np.bincount(labels[sorted(kept[12])]), [3, 10, 12, 12])
    assert kept[4] != set(at_most(labels, 4, 6).tolist())


@pytest.fixture
def split() -> Split:
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    rows = np.array([9, 3, 5])
    return Split(images, rows, np.array([0, 1, 0], np.int32), ("nine", "three", "five"))


def test_batch_gathers_rows_through_the_indices(split):
    images, labels = split.batch([2, 0, 2])
    assert images.dtype == np.uint8 and labels.dtype == np.int32
    np.testing.assert_array_equal(images[:, 0, 0, 0], [5, 9, 5])
    np.testing.assert_array_equal(labels, [0, 0, 0])
    images[:] = 0
    assert split.images[5].any(), "a batch is a copy"


def test_take_keeps_pixels_labels_and_names_together(split):
    part = split.take(np.array([1, 0]))
    assert part.names == ("three", "nine") and len(part) == 2 and part.images is split.images
    np.testing.assert_array_equal(part.batch([0, 1])[0][:, 0, 0, 0], [3, 9])
    np.testing.assert_array_equal(part.labels, [1, 0])
