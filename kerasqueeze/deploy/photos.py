"""Photos to classify: found by path, folder or glob, decoded ahead of the network, in bounded memory."""

import glob
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kerasqueeze.data import decode
from kerasqueeze.data.ahead import in_order
from kerasqueeze.data.listing import readable
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Photo:
    """A photo to classify.

    Attributes:
        name: What it is called in results.
        source: Its file, or its content.
    """

    name: str
    source: Path | bytes


def find(names: Iterable[str]) -> list[Photo]:
    """Return the photos that paths, folders and globs name, each once, in the order given; folders sorted by name.

    A folder stands for all files below it that have a photo's suffix, hidden ones left out; `-` for one photo on
    standard input.

    Raises:
        UserError: A name is no file, no folder and no pattern that anything matches.
    """
    found: dict[str, Photo] = {}
    for name in names:
        for photo in _named(name):
            found.setdefault(photo.name, photo)
    return list(found.values())


def _named(name: str) -> Iterator[Photo]:
    if not name:
        raise UserError("'' is no photo; expected a file, a folder, a pattern such as '*.jpg', or -")
    if name == STANDARD_INPUT:
        yield Photo("standard input", _standard_input())
        return
    path = Path(name).expanduser()
    if path.is_dir():
        below = list(_below(path))
        if not below:
            raise UserError(f"{name!r} holds no photo; expected files such as .jpg or .png below it")
        yield from below
    elif path.exists() or path.is_symlink():
        yield Photo(readable(name), path)
    else:
        matches = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(name) else []  # noqa: PTH207
        if not matches:
            raise UserError(
                f"no photo at {readable(name)!r}; expected a file, a folder, a pattern such as '*.jpg', or -"
            )
        for match in matches:
            if Path(match).is_dir():
                yield from _below(Path(match))
            else:
                yield Photo(readable(match), Path(match))


def _below(folder: Path) -> Iterator[Photo]:
    suffixes = decode.suffixes() | {".heic", ".heif"}
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in suffixes:
                yield Photo(readable(str(path)), path)


def _standard_input() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError("- stands for a photo on standard input; expected one, as in: cat photo.jpg | … -")
    data = sys.stdin.buffer.read(decode.MAX_BYTES + 1)
    if len(data) > decode.MAX_BYTES:
        raise UserError(f"standard input holds more than {decode.MAX_BYTES >> 20} MiB; expected one photo")
    return data


def prepare(source: Path | bytes, card: Card) -> np.ndarray:
    """Return a photo's pixels as the network takes them: uint8 RGB (S, S, 3), S being `card.pixels`.

    Raises:
        BrokenPhoto: It cannot be decoded, or is too large to be a photo.
    """
    return _fitted(decode.read_photo(source, card.image_size, squash=card.resize == "squash"), card)


def of_image(image: Image.Image, card: Card) -> np.ndarray:
    """Return what `prepare` would of a photo that `decode.whole_photo` has decoded.

    Raises:
        BrokenPhoto: It is too narrow to be a photo.
    """
    return _fitted(decode.square(image, card.image_size, squash=card.resize == "squash"), card)


def _fitted(pixels: np.ndarray, card: Card) -> np.ndarray:
    """Return a square of `card.image_size` pixels as the network takes it, enlarged if need be."""
    if card.pixels != card.image_size:
        side = (card.pixels, card.pixels)
        pixels = np.asarray(Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR))
    return pixels


def decoded(photos: Sequence[Photo], card: Card) -> Iterator[tuple[Photo, np.ndarray | decode.BrokenPhoto]]:
    """Yield each photo with its pixels, or with why it has none, in order; one thread a core decodes ahead."""

    def one(photo: Photo) -> np.ndarray | decode.BrokenPhoto:
        try:
            return prepare(photo.source, card)
        except decode.BrokenPhoto as error:
            return error

    yield from zip(photos, in_order(one, photos), strict=True)


def as_png(pixels: np.ndarray) -> bytes:
    """Return uint8 RGB pixels (H, W, 3) as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
