import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasqueeze.data import decode
from kerasqueeze.data.decode import BrokenPhoto, read_photo
from kerasqueeze.errors import UserError

CROPS = np.load(Path(__file__).parent / "torchvision_crops.npz")
TRANSPARENT = ("RGBA", "LA")  # which torchvision shows as if they were not
CASES = sorted(
    name.removeprefix("crop ")
    for name in CROPS.files
    if name.startswith("crop ") and not name.removeprefix("crop ").startswith(TRANSPARENT)
)


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


def test_photos_are_turned_before_they_are_cut():
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to view"
    image = noise(30, 18)
    turned = read_photo(encoded(image, "PNG", exif=exif), 18)
    np.testing.assert_array_equal(turned, np.rot90(np.asarray(image)[:, 6:24], -1))


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


def test_a_progressive_photo_of_too_many_scans_is_refused(monkeypatch):
    photo = encoded(noise(80, 64), "JPEG", progressive=True)
    last = photo.rindex(b"\xff\xda")
    monkeypatch.setattr(decode, "MAX_SCANNED", 80 * 64 * 30)
    assert read_photo(photo, 16).shape == (16, 16, 3)
    started = time.monotonic()
    with pytest.raises(BrokenPhoto, match=r"scans of 80 x 64 pixels, more than a photo needs"):
        read_photo(photo[:-2] + 30 * photo[last:-2] + photo[-2:], 16)
    assert time.monotonic() - started < 1


def test_large_photos_are_decoded_one_at_a_time(monkeypatch):
    at_once = []

    def slowly(image):
        at_once.append(1)
        time.sleep(0.02)
        at_once.append(-1)
        return image.convert("RGB")

    monkeypatch.setattr(decode, "as_shown", slowly)
    monkeypatch.setattr(decode, "_LARGE", 50 * 40 - 1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: read_photo(encoded(noise(50, 40), "PNG"), 16), range(8)))
    assert max(np.cumsum(at_once)) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes")
def test_a_pipe_does_not_keep_anyone_waiting(tmp_path):
    os.mkfifo(tmp_path / "f.jpg")
    with pytest.raises(BrokenPhoto, match="not a regular file"):
        read_photo(tmp_path / "f.jpg", 16)


def test_a_photo_is_known_by_its_content(tmp_path):
    path = tmp_path / "file"
    for form in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "AVIF", "BMP", "PPM", "JPEG2000", "TGA", "PCX", "SGI", "QOI"):
        path.write_bytes(encoded(noise(20, 20), form))
        assert decode.is_photo(path), form
    for content in (b"", b"Photos of 2020", b"P6 of us", b"%!PS-Adobe-3.0 EPSF-3.0", b"\x89PNG", bytes(100)):
        path.write_bytes(content)
        assert not decode.is_photo(path), content
    path.write_bytes(encoded(Image.new("1", (20_000, 20_000)), "PNG"))
    assert decode.is_photo(path)  # one that is refused by name when it is read
    assert {".jpg", ".jpe", ".jfif", ".mpo", ".tif", ".avif"} < decode.suffixes()
    assert not {".eps", ".pdf", ".txt", ".heic", ".h5"} & decode.suffixes()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM"])
def test_damaged_photos_are_decoded_or_broken_and_nothing_else(form):
    rng = np.random.default_rng(0)
    whole = np.frombuffer(encoded(noise(40, 30), form), np.uint8)
    for _ in range(100):
        damaged = whole.copy()
        where = np.minimum(rng.exponential(60, rng.integers(1, 9)).astype(int), len(whole) - 1)  # mostly the head
        damaged[where] = rng.choice([0, 1, 128, 255], len(where))
        try:
            assert read_photo(damaged.tobytes(), 16).shape == (16, 16, 3)
        except BrokenPhoto as error:
            assert "\n" not in str(error)


def test_bad_sizes():
    for size, resize in ((0, None), (9, 8)):
        with pytest.raises(ValueError, match=r"Received: size="):
            read_photo(b"", size, resize)


def test_a_squashed_photo_keeps_its_edges(tmp_path):
    """Against Pillow's own resize to a square, which torchvision's `Resize((size, size))` is for its images."""
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8))
    photo.save(tmp_path / "a.png")
    squashed = read_photo(tmp_path / "a.png", 32, squash=True)
    np.testing.assert_array_equal(squashed, np.asarray(photo.resize((32, 32), Image.Resampling.BILINEAR)))
    assert (squashed != read_photo(tmp_path / "a.png", 32)).any()
