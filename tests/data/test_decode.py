import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasqueeze.data import decode
from kerasqueeze.data.decode import BrokenPhoto, read_photo
from kerasqueeze.errors import UserError

CROPS = np.load(Path(__file__).parent / "torchvision_crops.npz")
CASES = sorted(name.removeprefix("crop ") for name in CROPS.files if name.startswith("crop "))


def encoded(image: Image.Image, form: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("case", CASES)
def test_pixels_are_torchvisions(case, tmp_path):
    photo = CROPS[f"photo {case}"].tobytes()
    resize, size = map(int, case.split()[-2:])
    path = tmp_path / "photo.png"
    path.write_bytes(photo)
    for source in (photo, path):
        pixels = read_photo(source, size, resize)
        assert pixels.dtype == np.uint8 and pixels.shape == (size, size, 3)
        np.testing.assert_array_equal(pixels, CROPS[f"crop {case}"])


def test_resize_defaults_to_size():
    photo = CROPS["photo RGB 50 37 16 16"].tobytes()
    np.testing.assert_array_equal(read_photo(photo, 16), read_photo(photo, 16, 16))


def test_orientation_tags_are_passed_over_as_torchvision_does():
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to view"
    image = noise(24, 24)
    turned = read_photo(encoded(image, "JPEG", exif=exif), 24)
    np.testing.assert_array_equal(turned, read_photo(encoded(image, "JPEG"), 24))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_photo_cut_short_is_broken(form, tmp_path):
    path = tmp_path / "cut.jpg"
    whole = encoded(noise(64, 48), form)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrokenPhoto, match=r"cut\.jpg cannot be decoded \(.+\); replace or remove it"):
        read_photo(path, 16)


@pytest.mark.parametrize("content", [b"", b"not a photo", b"\xff\xd8\xff\xe0" + b"\0" * 50])
def test_what_is_no_photo_is_broken(content):
    with pytest.raises(BrokenPhoto, match="cannot be decoded"):
        read_photo(content, 16)


def test_missing_file_and_folder_are_broken(tmp_path):
    for path in (tmp_path / "absent.jpg", tmp_path):
        with pytest.raises(UserError, match="cannot be decoded"):
            read_photo(path, 16)


def test_bombs_are_refused_before_they_go_off(monkeypatch):
    black = Image.new("1", (12_000, 12_000))  # 18 kB as PNG, 432 MB as RGB
    with pytest.raises(BrokenPhoto):
        read_photo(encoded(black, "PNG"), 16)
    monkeypatch.setattr(decode, "MAX_PIXELS", 2000)
    assert read_photo(encoded(noise(50, 40), "PNG"), 16).shape == (16, 16, 3)
    with pytest.raises(BrokenPhoto, match="50 x 41 pixels, more than 2000"):
        read_photo(encoded(noise(50, 41), "PNG"), 16)


def test_a_sliver_is_refused_before_it_is_enlarged():
    with pytest.raises(BrokenPhoto, match="224 x 4480000 pixels"):
        read_photo(encoded(Image.new("L", (1, 20_000)), "PNG"), 224)


def test_large_files_are_refused(monkeypatch, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(noise(10, 10), "PNG"))
    monkeypatch.setattr(decode, "MAX_BYTES", 100)
    with pytest.raises(BrokenPhoto, match="larger than 0 MiB"):
        read_photo(path, 8)


def test_bad_sizes():
    for size, resize in ((0, None), (9, 8)):
        with pytest.raises(ValueError, match=r"Received: size="):
            read_photo(b"", size, resize)
