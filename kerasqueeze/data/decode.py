"""One photo to one square of pixels, exactly as torchvision's Resize and CenterCrop make it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from kerasqueeze.data.listing import one_line
from kerasqueeze.errors import UserError

VERSION = 1
"""Goes into every cache's key: raise it when the pixels that `read_photo` returns change."""

MAX_BYTES = 64 * 2**20
"""Largest photo file that is read."""
MAX_PIXELS = 89_478_485
"""Largest photo that is decoded, and largest one that it may become when resized; Pillow's own warning limit."""


class BrokenPhoto(UserError):
    """A photo that cannot be decoded, and the `reason`."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name} cannot be decoded ({reason}); replace or remove it")
        self.reason = reason


def read_photo(source: Path | bytes, size: int, resize: int | None = None) -> np.ndarray:
    """Decode a photo, resize its shorter side and cut out the centre.

    Equal, pixel for pixel, to torchvision's `ImageFolder` loader (RGB, orientation tags ignored), `Resize(resize)` and
    `CenterCrop(size)` on PIL images (torchvision `transforms/_functional_pil.py`).

    Args:
        source: The file, or its content.
        size: Height and width of the result in pixels.
        resize: Length of the shorter side before the cut, at least `size`; default `size`.

    Returns:
        uint8 RGB of shape (size, size, 3).

    Raises:
        BrokenPhoto: The photo cannot be decoded, or is too large to be one.
    """
    shorter = size if resize is None else resize
    if not 0 < size <= shorter:
        raise ValueError(f"expected 0 < size <= resize. Received: size={size}, resize={resize}")
    name = str(source) if isinstance(source, Path) else "photo"
    try:
        data = _read(source) if isinstance(source, Path) else source
        with Image.open(io.BytesIO(data)) as file:
            _check_pixels(file.width, file.height)
            image = file.convert("RGB")
        return _centre(image, size, shorter)
    except Exception as error:  # Pillow's parsers raise nearly anything on damaged input
        raise BrokenPhoto(name, f"{type(error).__name__}: {one_line(error)}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES >> 20} MiB")
    return data


def _centre(image: Image.Image, size: int, shorter: int) -> np.ndarray:
    width, height = image.size
    longer = int(shorter * max(width, height) / min(width, height))
    resized = (shorter, longer) if width <= height else (longer, shorter)
    _check_pixels(*resized)
    image = image.resize(resized, Image.Resampling.BILINEAR)
    left = round((resized[0] - size) / 2.0)
    top = round((resized[1] - size) / 2.0)
    return np.asarray(image.crop((left, top, left + size, top + size)))


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS}")
