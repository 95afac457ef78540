"""What came from outside, made into pixels: told by its content, bounded before it is decoded, refused in words."""

import contextlib
import threading

from django.conf import settings
from PIL import Image

from kerasqueeze.data.decode import BrokenPhoto, opened, whole_photo

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""What is taken, by Pillow's names; those that browsers and cameras make."""
MEDIA_TYPES = tuple(f"image/{name.lower()}" for name in FORMATS)


LARGE = 16_000_000
"""Photos of more pixels are decoded one at a time: each takes some hundred megabytes for a moment."""
_one_large = threading.Lock()


class Refused(Exception):
    """An upload that is not taken.

    Args:
        status: HTTP's number for it.
        code: A word for programs.
        message: A sentence or two for people.
    """

    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def pixels(data: bytes) -> Image.Image:
    """Return a photo in RGB, upright; what a file says of itself besides its pixels is left behind.

    Raises:
        Refused: It is no photo (415), is damaged, or has too many pixels (422).
    """
    try:
        with opened(data, FORMATS) as file:
            size = file.width * file.height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        size = settings.MAX_PIXELS + 1
    except Exception:  # Pillow's parsers raise nearly anything on damaged input
        raise _no_photo() from None
    if size > settings.MAX_PIXELS:
        most = settings.MAX_PIXELS // 10**6
        message = f"The photo has more than {most} million pixels. Make it smaller and send it again."
        raise Refused(422, "too_many_pixels", message)
    try:
        with _one_large if size > LARGE else contextlib.nullcontext():
            return whole_photo(data)
    except BrokenPhoto:
        raise broken() from None


def within(image: Image.Image, side: int) -> Image.Image:
    """Return a photo whose longest side is `side` pixels at most, and that carries nothing but its pixels."""
    if max(image.size) > side:
        scale = side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Image.frombytes(image.mode, image.size, image.tobytes())  # leaves comments, profiles and EXIF behind


def broken() -> Refused:
    """Return what is said of a photo that cannot be decoded."""
    return Refused(422, "broken_photo", "The photo is damaged or incomplete. Save it again, or choose another one.")


def _no_photo() -> Refused:
    names = ", ".join(FORMATS[:-1])
    return Refused(
        415,
        "not_a_photo",
        f"This is not a photo that can be read here; expected {names} or {FORMATS[-1]}. Save other photos as JPEG.",
    )
