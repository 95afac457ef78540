"""A photo as a viewer shows it: upright, in eight-bit RGB, on white where it is transparent."""

import numpy as np
from PIL import ExifTags, Image, TiffTags

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of the orientation tag (EXIF 2.3, tag 0x0112)."""
_TIFF = {tag.name: number for number, tag in TiffTags.TAGS_V2.items()}


def as_shown(image: Image.Image) -> Image.Image:
    """Return a photo in mode RGB, turned as its orientation tag says; of an animation the first frame.

    Grey of more than eight bits is scaled so that white stays white; transparent pixels show white; the other modes
    are converted by Pillow, without colour profiles. Eight-bit RGB photos without an orientation tag keep every value.

    Args:
        image: Just opened by Pillow.

    Raises:
        ValueError: The numbers in the file do not say what is white.
    """
    image.load()
    turn = _turn(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    elif image.has_transparency_data:
        front = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", image.size, "white")
        image.paste(front, mask=front)
    image = image.convert("RGB")
    return image if turn is None else image.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return how to turn the photo upright; Pillow's `exif_transpose` also writes tags, which damaged ones forbid."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow's parsers raise nearly anything on damaged tags; the pixels may be whole
        return None


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return grey of 12, 16 or 32 bits in mode L."""
    values, scale = np.asarray(image), 255 / _white(image)
    levels = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), 256):  # in pieces: 64-bit numbers of the whole would take up to 700 MB
        levels[top : top + 256] = np.round(values[top : top + 256] * scale)
    if _tag(image, "PhotometricInterpretation") == 0:  # white is zero
        levels = 255 - levels
    hidden = image.info.get("transparency")  # the one grey that shows what is behind
    if isinstance(hidden, int):
        levels[values == hidden] = 255
    return Image.fromarray(levels)


def _white(image: Image.Image) -> int:
    """Return the value that stands for white.

    Files with sixteen bits a pixel say it. In 32 bits people keep shares from 0 to 1, or the whole numbers of eight or
    sixteen bits: those that the pixels fit.
    """
    if image.mode.startswith("I;"):
        return 2 ** (_tag(image, "BitsPerSample") or 16) - 1
    if image.format == "PPM" and image.mode == "I":
        return 65535
    values = np.asarray(image)
    darkest, brightest = values.min(), values.max()
    if values.dtype.kind == "f" and darkest >= 0 and brightest <= 1:
        return 1
    if darkest >= 0 and brightest <= 65535 and (values.dtype.kind == "i" or np.array_equal(values, np.round(values))):
        return 255 if brightest <= 255 else 65535
    raise ValueError(f"32-bit pixels from {darkest} to {brightest} do not say what is white; save it with 8 or 16 bits")


def _tag(image: Image.Image, name: str) -> int | None:
    """Return the number in a tag of a TIFF; the first one where it has several."""
    value = getattr(image, "tag_v2", {}).get(_TIFF[name])
    return value[0] if isinstance(value, tuple) else value
