import jax
import keras
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from kerasqueeze.data.augment import RandomCropFlip

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


def test_resampling_is_scipys_bilinear():
    images = noise(16)
    output = augmented(with_ramps(images))
    assert output.dtype == np.float32 and output.shape == (16, H, W, 5)
    for image, shown, (left, top, right, bottom) in zip(images, output[..., :3], boxes(output), strict=True):
        rows = top + (np.arange(H) + 0.5) * (bottom - top) / H - 0.5
        columns = left + (np.arange(W) + 0.5) * (right - left) / W - 0.5
        grid = np.meshgrid(rows, columns, indexing="ij")
        for channel in range(3):
            expected = ndimage.map_coordinates(image[..., channel].astype(float), grid, order=1, mode="nearest")
            np.testing.assert_allclose(shown[..., channel], expected, atol=0.05)


def test_resampling_is_pillows_to_a_grey_level():
    images = noise(16)
    output = augmented(with_ramps(images), flip=False)
    for image, shown, box in zip(images, output[..., :3], boxes(output), strict=True):
        box = np.clip(box, 0, [W, H, W, H])
        expected = np.asarray(Image.fromarray(image).resize((W, H), Image.Resampling.BILINEAR, box=tuple(box)))
        assert np.abs(shown - expected).max() < 1.6  # Pillow rounds twice


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
