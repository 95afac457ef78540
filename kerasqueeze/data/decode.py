"""One photo to one square of pixels, exactly as torchvision's Resize and CenterCrop make it."""

import contextlib
import functools
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from kerasqueeze.data.appearance import as_shown
from kerasqueeze.data.listing import one_line, read_file, shown
from kerasqueeze.errors import UserError

VERSION = 2
"""Goes into every cache's key: raise it when the pixels that `read_photo` returns change."""

FORMATS = ("JPEG", "JPEG2000", "PNG", "GIF", "TIFF", "WEBP", "AVIF", "BMP", "DIB", "PPM", "PCX", "TGA", "SGI", "QOI")
"""What is read, by Pillow's names: its raster formats that photos come in. None of them starts another program."""

MAX_BYTES = 64 * 2**20
"""Largest photo file that is read."""
MAX_PIXELS = 89_478_485
"""Largest photo that is decoded, and largest one that it may become when resized; Pillow's own warning limit."""
MAX_SCANNED = 20 * MAX_PIXELS
"""Most pixels that the scans of a progressive JPEG may go over: each takes as long as the whole photo."""
_SCAN = b"\xff\xda"  # starts each scan of a JPEG; inside one, 0xff is followed by 0
_FILTER = Image.Resampling.BILINEAR
_LARGE = 2**25
_one_large = threading.Lock()
"""Photos of more than `_LARGE` pixels are decoded one at a time: each can take 1.4 GB for a moment."""


class BrokenPhoto(UserError):
    """A photo that cannot be decoded, and the `reason`."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name} cannot be decoded ({reason}); replace or remove it")
        self.reason = reason


def read_photo(source: Path | bytes, size: int, resize: int | None = None, squash: bool = False) -> np.ndarray:
    """Decode a photo, resize its shorter side and cut out the centre.

    The photo is upright and on white, see `appearance.as_shown`. From there on equal, pixel for pixel, to torchvision's
    `Resize(resize)` and `CenterCrop(size)` on PIL images (torchvision `transforms/_functional_pil.py`); for RGB without
    an orientation tag so is the whole, to torchvision's `ImageFolder` loader and these two.

    Args:
        source: The file, or its content.
        size: Height and width of the result in pixels.
        resize: Length of the shorter side before the cut, at least `size`; default `size`.
        squash: Resize both sides to `size` instead, as torchvision's `Resize((size, size))`; nothing is cut off.

    Returns:
        uint8 RGB of shape (size, size, 3).

    Raises:
        BrokenPhoto: The photo cannot be decoded, or is too large to be one.
    """
    shorter = size if resize is None else resize
    if not 0 < size <= shorter:
        raise ValueError(f"expected 0 < size <= resize. Received: size={size}, resize={resize}")
    with _broken(source):
        return _square(_whole(source), size, shorter, squash)


def whole_photo(source: Path | bytes) -> Image.Image:
    """Return a photo as a viewer shows it, see `appearance.as_shown`; `square` makes of it what `read_photo` returns.

    Raises:
        BrokenPhoto: The photo cannot be decoded, or is too large to be one.
    """
    with _broken(source):
        return _whole(source)


def square(image: Image.Image, size: int, squash: bool = False) -> np.ndarray:
    """Return what `read_photo` would of a photo that is decoded already.

    Raises:
        BrokenPhoto: It is so narrow that it would become too large.
    """
    with _broken(b""):
        return _square(image, size, size, squash)


@contextlib.contextmanager
def _broken(source: Path | bytes) -> Iterator[None]:
    """Turn every error into a `BrokenPhoto`."""
    try:
        yield
    except Exception as error:  # Pillow's parsers raise nearly anything on damaged input
        name = shown(str(source)) if isinstance(source, Path) else "photo"
        raise BrokenPhoto(name, _reason(error)) from error


def _whole(source: Path | bytes) -> Image.Image:
    return _decoded(read_file(source, MAX_BYTES) if isinstance(source, Path) else source)


def _square(image: Image.Image, size: int, shorter: int, squash: bool) -> np.ndarray:
    return np.asarray(image.resize((size, size), _FILTER)) if squash else _centre(image, size, shorter)


def is_photo(path: Path) -> bool:
    """Tell by its content whether a regular file is in one of `FORMATS`; nothing is decoded.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        try:
            Image.open(file, formats=FORMATS).close()
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            return True
        except Exception:  # as above
            return False
    return True


@functools.cache
def suffixes() -> frozenset[str]:
    """Return the suffixes of `FORMATS`, in lower case with their dots."""
    read = (*FORMATS, "MPO")  # which Pillow opens as JPEG
    return frozenset(suffix for suffix, form in Image.registered_extensions().items() if form in read)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # which speaks of a buffer in memory
        return "no photo in a format that is read"
    return f"{type(error).__name__}: {one_line(error)}"


def is_heic(head: bytes) -> bool:
    """Tell by its first twelve bytes whether a file is HEIC, which phones write.

    Source: ISO/IEC 23008-12, annex B: a box `ftyp` with one of these brands.
    """
    return head[4:8] == b"ftyp" and head[8:12] in (
        b"heic",
        b"heix",
        b"heim",
        b"heis",
        b"mif1",
        b"msf1",
        b"hevc",
        b"hevx",
    )


def opened(data: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Open a photo, of which only the head is read.

    Args:
        data: The file's content.
        formats: What is read, beside HEIC where its extra is installed.

    Raises:
        Exception: It is none of them; Pillow's parsers raise nearly anything.
    """
    if not is_heic(data):
        return Image.open(io.BytesIO(data), formats=formats)
    try:
        import pillow_heif
    except ImportError:
        raise ValueError("a HEIC photo; to read such: pip install 'kerasqueeze[heic]'") from None
    pillow_heif.register_heif_opener(thumbnails=False)
    return Image.open(io.BytesIO(data), formats=("HEIF",))


def _decoded(data: bytes) -> Image.Image:
    with opened(data) as file:
        _check_pixels(file.width, file.height)
        pixels = file.width * file.height
        if file.format in ("JPEG", "MPO") and data.count(_SCAN) * pixels > MAX_SCANNED:
            raise ValueError(
                f"{data.count(_SCAN)} scans of {file.width} x {file.height} pixels, more than a photo needs"
            )
        with _one_large if pixels > _LARGE else contextlib.nullcontext():
            return as_shown(file)


def _centre(image: Image.Image, size: int, shorter: int) -> np.ndarray:
    width, height = image.size
    longer = int(shorter * max(width, height) / min(width, height))
    resized = (shorter, longer) if width <= height else (longer, shorter)
    _check_pixels(*resized)
    image = image.resize(resized, _FILTER)
    left = round((resized[0] - size) / 2.0)
    top = round((resized[1] - size) / 2.0)
    return np.asarray(image.crop((left, top, left + size, top + size)))


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS}")
