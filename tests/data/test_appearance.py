import io

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from kerasqueeze.data.appearance import as_shown

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (30, 40, 3), np.uint8)
RAMP = np.tile(np.arange(256, dtype=np.uint8), (20, 1))


def encoded(image: Image.Image, form: str, **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file


def stored(image: Image.Image, form: str, **options) -> Image.Image:
    return Image.open(encoded(image, form, **options))


def pixels(image: Image.Image) -> np.ndarray:
    shown = as_shown(image)
    assert shown.mode == "RGB"
    return np.asarray(shown)


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, 2)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("tag", range(10))  # 0 and 9 mean nothing
def test_photos_are_turned_as_pillow_turns_them(tag, form):
    exif = Image.Exif()
    exif[0x0112] = tag
    photo = encoded(Image.fromarray(COLOURS), form, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
    assert expected.size == ((30, 40) if 5 <= tag <= 8 else (40, 30))
    np.testing.assert_array_equal(pixels(Image.open(photo)), np.asarray(expected))


def test_damaged_tags_are_passed_over():
    image = Image.fromarray(COLOURS)
    for exif in (b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12", b"Exif\0\0II*\0\xff\xff\xff\xff", b"rubbish"):
        np.testing.assert_array_equal(pixels(stored(image, "PNG", exif=exif)), COLOURS)


@pytest.mark.parametrize(
    ("form", "dtype"),
    [("PNG", np.uint16), ("PPM", np.uint16), ("TIFF", np.uint16), ("TIFF", np.int32), ("TIFF", np.float32)],
)
def test_sixteen_bits_of_grey_become_eight(form, dtype):
    deep = Image.fromarray(RAMP.astype(dtype) * dtype(257))
    np.testing.assert_array_equal(pixels(stored(deep, form)), grey(RAMP))


def test_a_dark_photo_of_sixteen_bits_stays_dark():
    for form in ("PNG", "TIFF", "PPM"):
        dark = stored(Image.fromarray(RAMP.astype(np.uint16)), form)
        np.testing.assert_array_equal(pixels(dark), grey(np.round(RAMP / 257).astype(np.uint8)))


@pytest.mark.parametrize("values", [RAMP.astype(np.int32), RAMP.astype(np.float32), (RAMP / 255).astype(np.float32)])
def test_thirty_two_bits_that_hold_eight(values):
    np.testing.assert_array_equal(pixels(stored(Image.fromarray(values), "TIFF")), grey(RAMP))


@pytest.mark.parametrize("first", [-1.0, 0.5, 70_000.0, np.nan, np.inf])
def test_thirty_two_bits_that_do_not_say_what_is_white(first):
    values = RAMP.astype(np.float32)
    values[0, 0] = first
    with pytest.raises(ValueError, match="do not say what is white; save it with 8 or 16 bits"):
        as_shown(stored(Image.fromarray(values), "TIFF"))


def tiff(values: np.ndarray, bits: int, photometric: int) -> Image.Image:
    """Return a little-endian grey TIFF, written by hand: Pillow writes neither 12 bits nor white as zero."""
    height, width = values.shape
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 134), (277, 1), (278, height)]
    if bits == 12:
        first, second = values[:, ::2].astype(int), values[:, 1::2].astype(int)
        data = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1).astype(np.uint8).tobytes()
    else:
        data = values.astype("<u2").tobytes()
    tags.append((279, len(data)))
    entries = b"".join(
        np.array([tag, 4], "<u2").tobytes() + np.array([1, value], "<u4").tobytes() for tag, value in tags
    )
    head = b"II*\0\x08\0\0\0" + np.array([len(tags)], "<u2").tobytes() + entries + bytes(4)
    return Image.open(io.BytesIO(head.ljust(134, b"\0") + data))


def test_scanners_forms_of_grey():
    np.testing.assert_array_equal(pixels(tiff(RAMP.astype(np.uint16) * 257, 16, 0)), grey(255 - RAMP))
    twelve = np.round(RAMP * (4095 / 255)).astype(np.uint16)
    np.testing.assert_array_equal(pixels(tiff(twelve, 12, 1)), grey(RAMP))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_what_is_transparent_shows_white(form):
    alpha = RNG.integers(0, 256, (30, 40, 1), np.uint8)
    alpha[:10], alpha[10:20] = 0, 255
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    shown = pixels(stored(Image.fromarray(np.concatenate([COLOURS, alpha], 2)), form, **options))
    expected = 255 + (COLOURS.astype(float) - 255) * alpha / 255
    np.testing.assert_allclose(shown, expected, atol=1)
    np.testing.assert_array_equal(shown[:20], np.round(expected[:20]))


def test_grey_with_transparency():
    both = np.stack([RAMP, RAMP.T.repeat(2, 0)[:20].repeat(20, 1)[:, :256]], -1)
    shown = pixels(stored(Image.fromarray(both, "LA"), "PNG"))
    np.testing.assert_allclose(shown, grey(255 + (both[..., 0] - 255.0) * both[..., 1] / 255), atol=1)


def test_one_colour_that_is_transparent():
    few = Image.fromarray(COLOURS).quantize(16)
    place, colours = np.asarray(few), np.asarray(few.convert("RGB"))
    expected = np.where((place == 3)[..., None], 255, colours)
    for form in ("PNG", "GIF"):
        np.testing.assert_array_equal(pixels(stored(few, form, transparency=3)), expected)
    np.testing.assert_array_equal(pixels(stored(few, "PNG")), colours)
    half = bytes(128 if number == 3 else 255 for number in range(16))
    shown = pixels(stored(few, "PNG", transparency=half))
    np.testing.assert_allclose(shown[place == 3], (colours[place == 3] + 254.0) / 2, atol=1)
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    expected = grey(np.where(RAMP == 10, 255, RAMP).astype(np.uint8))
    np.testing.assert_array_equal(pixels(stored(deep, "PNG", transparency=2570)), expected)


@pytest.mark.parametrize(("mode", "form", "near"), [("CMYK", "TIFF", 0), ("CMYK", "JPEG", 40), ("YCbCr", "TIFF", 5)])
def test_other_colour_models(mode, form, near):
    smooth = Image.fromarray(COLOURS).resize((400, 300), Image.Resampling.BICUBIC)
    shown = pixels(stored(smooth.convert(mode), form))
    np.testing.assert_allclose(shown, np.asarray(smooth), atol=near)


def test_lab():
    smooth = Image.fromarray(COLOURS // 2 + 64).resize((400, 300), Image.Resampling.BICUBIC)
    models = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    lab = ImageCms.profileToProfile(smooth, *models, outputMode="LAB")
    assert lab is not None
    assert np.abs(pixels(stored(lab, "TIFF")) - np.asarray(smooth, float)).mean() < 2


def test_black_and_white():
    bits = COLOURS[..., 0] > 127
    for form in ("PNG", "TIFF", "PPM"):
        np.testing.assert_array_equal(pixels(stored(Image.fromarray(bits), form)), grey(bits * np.uint8(255)))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation(form):
    frames = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (10, 200)]
    shown = pixels(stored(frames[0], form, save_all=True, append_images=frames[1:], **{"lossless": True}))
    np.testing.assert_array_equal(shown, np.broadcast_to(np.uint8([10, 0, 0]), (8, 8, 3)))
