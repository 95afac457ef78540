import jax
import keras
import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import ndimage, stats

from kerasqueeze.data.augment import HIDDEN, RandomColour, RandomCropFlip, RandomErase

H, W = 40, 48


def noise(count: int, height: int = H, width: int = W) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def with_ramps(images: np.ndarray) -> np.ndarray:
    """Add two channels that say in which row and column a pixel was, so that boxes can be read off the result."""
    rows, columns = np.meshgrid(np.arange(images.shape[1]), np.arange(images.shape[2]), indexing="ij")
    ramps = np.broadcast_to(np.stack([rows, columns], -1), (*images.shape[:3], 2))
    return np.concatenate([images, ramps], -1).astype(np.uint8)


def boxes(output: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom of the boxes in pixels, left beyond right where mirrored, read off the ramps."""
    height, width = output.shape[1:3]
    y, x = output[:, :, width // 2, 3], output[:, height // 2, :, 4]
    inner_rows, inner_columns = np.arange(height // 4, 3 * height // 4), np.arange(width // 4, 3 * width // 4)
    down = np.polyfit(inner_rows, y[:, inner_rows].T, 1)
    right = np.polyfit(inner_columns, x[:, inner_columns].T, 1)
    top, left = down[1] - down[0] / 2 + 0.5, right[1] - right[0] / 2 + 0.5
    return np.stack([left, top, left + right[0] * width, top + down[0] * height], 1)


def augmented(images: np.ndarray, seed: int = 1, **options) -> np.ndarray:
    return np.asarray(RandomCropFlip(seed=seed, **options)(images, training=True))


def assert_sampled_by_scipy(images: np.ndarray, shown: np.ndarray, boxes: np.ndarray) -> None:
    """Check that `shown` is what scipy's bilinear sampling makes of the boxes of the images."""
    height, width = shown.shape[1:3]
    for image, one, (left, top, right, bottom) in zip(images, shown, boxes, strict=True):
        rows = top + (np.arange(height) + 0.5) * (bottom - top) / height - 0.5
        columns = left + (np.arange(width) + 0.5) * (right - left) / width - 0.5
        grid = np.meshgrid(rows, columns, indexing="ij")
        for channel in range(3):
            expected = ndimage.map_coordinates(image[..., channel].astype(float), grid, order=1, mode="nearest")
            np.testing.assert_allclose(one[..., channel], expected, atol=0.05)


def test_resampling_is_scipys_bilinear():
    images = noise(16)
    output = augmented(with_ramps(images))
    assert output.dtype == np.float32 and output.shape == (16, H, W, 5)
    assert_sampled_by_scipy(images, output[..., :3], boxes(output))


def test_accelerators_take_the_batch_in_one_piece_and_show_the_same(monkeypatch):
    images = noise(5)
    expected = augmented(images, size=24)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    np.testing.assert_allclose(augmented(images, size=24), expected, atol=1e-3)


def test_resampling_is_pillows_to_a_grey_level():
    images = noise(16)
    output = augmented(with_ramps(images), flip=False)
    for image, shown, box in zip(images, output[..., :3], boxes(output), strict=True):
        box = np.clip(box, 0, [W, H, W, H])
        expected = np.asarray(Image.fromarray(image).resize((W, H), Image.Resampling.BILINEAR, box=tuple(box)))
        assert np.abs(shown - expected).max() < 1.6  # Pillow rounds twice


def test_crops_of_another_size_are_the_same_boxes_sampled_by_scipy():
    images, size = noise(16), 30
    output = augmented(images, size=size)
    assert output.shape == (16, size, size, 3)
    assert_sampled_by_scipy(images, output, boxes(augmented(with_ramps(images))))


def test_a_size_is_for_training_alone():
    layer = RandomCropFlip(size=20, seed=1)
    np.testing.assert_array_equal(layer(noise(2)), noise(2))
    assert layer.compute_output_shape((None, H, W, 3)) == (None, None, None, 3)
    assert RandomCropFlip().compute_output_shape((None, H, W, 3)) == (None, H, W, 3)


def test_boxes_follow_the_announced_distribution():
    left, top, right, bottom = boxes(augmented(with_ramps(np.zeros((4000, 24, 24, 3))), scale=(0.4, 0.9))).T / 24
    mirrored = left > right
    assert abs(mirrored.mean() - 0.5) < 0.03  # nearly four standard deviations
    left, right = np.minimum(left, right), np.maximum(left, right)
    assert min(left.min(), top.min()) > -1e-3 and max(right.max(), bottom.max()) < 1 + 1e-3
    area, ratio = (right - left) * (bottom - top), (right - left) / (bottom - top)
    assert stats.kstest(area, "uniform", (0.4, 0.5)).pvalue > 0.01
    small = area < 0.75  # any ratio fits
    assert stats.kstest(np.log(ratio[small]), "uniform", (-np.log(4 / 3), 2 * np.log(4 / 3))).pvalue > 0.01
    assert ratio.min() > 3 / 4 - 1e-3 and ratio.max() < 4 / 3 + 1e-3
    assert stats.kstest(left / (1 - (right - left)), "uniform").pvalue > 0.01
    assert stats.kstest(top / (1 - (bottom - top)), "uniform").pvalue > 0.01
    assert (
        np.abs(np.corrcoef([left / (1 - right + left), top / (1 - bottom + top), area, mirrored]) - np.eye(4)).max()
        < 0.06
    )


def test_full_boxes_and_mirror_images_are_exact():
    images = noise(16)
    kept = augmented(images, scale=(1.0, 1.0), flip=False)
    np.testing.assert_array_equal(kept, images)
    turned = augmented(images, scale=(1.0, 1.0))
    same = [np.array_equal(one, image) for one, image in zip(turned, images, strict=True)]
    mirrored = [np.array_equal(one, image[:, ::-1]) for one, image in zip(turned, images, strict=True)]
    assert 2 < sum(same) < 14 and sum(same) + sum(mirrored) == 16


@pytest.mark.parametrize("images", [noise(3), noise(3).astype(np.float32) / 3], ids=["uint8", "float32"])
def test_without_training_just_a_cast(images):
    output = RandomCropFlip(seed=1)(images)
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    np.testing.assert_array_equal(output, images.astype(np.float32))


def test_float_images_are_resampled_like_bytes():
    np.testing.assert_array_equal(augmented(noise(16)), augmented(noise(16).astype(np.float32)))


def test_same_seed_same_draws_and_each_call_new_ones():
    images = noise(16)
    first, second = RandomCropFlip(seed=5), RandomCropFlip(seed=5)
    one = [np.asarray(first(images, training=True)) for _ in range(2)]
    two = [np.asarray(second(images, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one[0], augmented(images, seed=6))
    assert len({float(image.sum()) for image in augmented(np.repeat(images[:1], 16, axis=0))}) == 16


def test_jitted_as_eager():
    images = noise(16)
    layer = RandomCropFlip(seed=5)
    layer.build(images.shape)
    state = [variable.value for variable in layer.non_trainable_variables]
    jitted = jax.jit(lambda state, images: layer.stateless_call([], state, images, training=True))
    for _ in range(2):
        output, state = jitted(state, images)
        np.testing.assert_allclose(output, layer(images, training=True), atol=0.01)


def model(seed: int) -> keras.Model:
    pixels = keras.Input((H, W, 3), dtype="uint8")
    return keras.Model(pixels, RandomCropFlip(scale=(0.3, 0.8), seed=seed)(pixels))


def test_saved_and_loaded_it_starts_anew(tmp_path):
    first = model(3)
    first(noise(4), training=True)
    first.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    config = loaded.layers[-1].get_config()
    assert tuple(config["scale"]) == (0.3, 0.8) and config["flip"] is True and config["seed"] == 3
    np.testing.assert_array_equal(model(3)(noise(4), training=True), loaded(noise(4), training=True))


def test_output_stays_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        output = RandomCropFlip(scale=(1.0, 1.0), flip=False)(noise(2), training=True)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(output, noise(2))
    assert keras.backend.standardize_dtype(output.dtype) == "float32"


@pytest.mark.parametrize("scale", [(0, 1), (0.9, 0.5), (0.5, 1.1), (-1, 0.5)])
def test_bad_scale(scale):
    with pytest.raises(ValueError, match="Received: scale="):
        RandomCropFlip(scale=scale)


def factors(strength: float, count: int, seed: int) -> np.ndarray:
    """Draw what a `RandomColour` of this seed draws first: (3, count)."""
    shape, generator = (3, count, 1, 1, 1), keras.random.SeedGenerator(seed)
    return np.asarray(keras.random.uniform(shape, 1 - strength, 1 + strength, "float32", generator)).reshape(3, count)


def test_colours_are_pillows():
    images = np.stack([ndimage.zoom(one, (5, 6, 1), order=1) for one in noise(12, 8, 8)])  # not so noisy as to clip all
    shown = np.asarray(RandomColour(0.5, seed=4)(images.astype(np.float32), training=True))
    drawn = factors(0.5, 12, 4)
    assert 0.5 <= drawn.min() < 0.7 and 1.3 < drawn.max() <= 1.5
    for image, one, each in zip(images, shown, drawn.T, strict=True):
        expected = Image.fromarray(image)
        kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
        for kind, factor in zip(kinds, each, strict=True):
            expected = kind(expected).enhance(float(factor))
        assert np.abs(one - np.asarray(expected)).max() < 4  # Pillow cuts fractions off after each
        assert 0 <= (one - np.asarray(expected)).mean() < 2


def test_no_strength_changes_no_colour():
    images = noise(4).astype(np.float32)
    np.testing.assert_allclose(RandomColour(0.0, seed=1)(images, training=True), images, atol=1e-4)


def test_hidden_boxes_follow_the_announced_distribution():
    side = 100
    shown = np.asarray(RandomErase(0.5, seed=3)(np.zeros((3000, side, side, 1), np.float32), training=True))[..., 0]
    assert set(np.unique(shown)) == {0.0, HIDDEN}
    hidden = shown == HIDDEN
    rows, columns = hidden.any(2), hidden.any(1)
    np.testing.assert_array_equal(hidden, rows[:, :, None] & columns[:, None])  # boxes
    tall, wide = rows.sum(1), columns.sum(1)
    some = tall > 0
    assert abs(some.mean() - 0.5) < 0.035  # nearly four standard deviations
    tall, wide, rows, columns = tall[some] / side, wide[some] / side, rows[some], columns[some]
    assert stats.kstest(tall * wide, "uniform", (0.02, 0.48)).pvalue > 0.01
    assert abs(tall.mean() - wide.mean()) < 0.02 and (wide / tall).max() < 10 / 3 * 1.2 and (wide / tall).max() > 2.5
    for inside, length in ((rows, tall), (columns, wide)):
        small = length < 0.7
        share = inside.argmax(1)[small] / side / (1 - length[small])
        assert abs(share.mean() - 0.5) < 0.05 and np.abs(np.diff(inside.astype(int), axis=1)).sum(1).max() <= 2


@pytest.mark.parametrize("layer", [RandomColour(0.3, seed=2), RandomErase(0.3, seed=2)], ids=["colour", "erase"])
def test_colour_and_boxes_are_for_training_alone_and_come_back_with_their_seed(layer):
    images = noise(8).astype(np.float32)
    np.testing.assert_array_equal(layer(images), images)
    one = np.asarray(layer(images, training=True))
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(images, training=True), one)
    assert not np.array_equal(layer(images, training=True), one)
    assert layer.compute_output_shape((None, 5, 6, 3)) == (None, 5, 6, 3)


def test_bad_strength_and_share():
    for strength in (-0.1, 1.1):
        with pytest.raises(ValueError, match="Received: strength="):
            RandomColour(strength)
    for largest in (0.02, 1.1):
        with pytest.raises(ValueError, match="Received: largest="):
            RandomErase(largest)
