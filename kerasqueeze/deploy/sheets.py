"""Pictures for people: a photo with its explanations side by side, and contact sheets."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kerasqueeze.deploy.explain import Explanation, overlay
from kerasqueeze.files import whole_file

_MARGIN, _LINE = 8, 18
_INK, _PAPER = (32, 32, 32), (255, 255, 255)


def explained(pixels: np.ndarray, explanation: Explanation, class_names: Sequence[str]) -> Image.Image:
    """Return a photo, and beside it the map of each class over it; all maps on one scale.

    Args:
        pixels: uint8 RGB (S, S, 3), as the network took them.
        explanation: Of the same.
        class_names: Of all classes.
    """
    highest = float(explanation.maps.max())
    tiles = [(pixels, ["photo", explanation.kind])]
    for number, place in zip(explanation.classes, explanation.maps, strict=True):
        lines = [class_names[number], f"{explanation.probabilities[number]:.3f}"]
        tiles.append((overlay(pixels, place, highest), lines))
    return sheet(tiles, len(tiles))


def sheet(tiles: Sequence[tuple[np.ndarray, Sequence[str]]], columns: int) -> Image.Image:
    """Return pictures of one size in rows, each with its lines of text below.

    Args:
        tiles: uint8 RGB (S, S, 3) and its lines.
        columns: Pictures a row.
    """
    side = max(len(tiles[0][0]), 160)
    lines = max(len(text) for _, text in tiles)
    width, height = side + _MARGIN, side + _MARGIN + lines * _LINE
    rows = -(-len(tiles) // columns)
    whole = Image.new("RGB", (columns * width + _MARGIN, rows * height + _MARGIN), _PAPER)
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(13)
    for place, (pixels, text) in enumerate(tiles):
        left, top = _MARGIN + place % columns * width, _MARGIN + place // columns * height
        picture = Image.fromarray(pixels)
        if picture.width < side:
            picture = picture.resize((side, side), Image.Resampling.NEAREST)
        whole.paste(picture, (left, top))
        for number, line in enumerate(text):
            draw.text((left, top + side + 2 + number * _LINE), _fitting(draw, line, side, font), _INK, font)
    return whole


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG, whole or not at all."""
    with whole_file(path) as part:
        picture.save(part, "PNG")


def _fitting(draw: ImageDraw.ImageDraw, text: str, width: int, font) -> str:
    """Return as much of a line as fits."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(f"{text}…", font) > width:
        text = text[:-1]
    return f"{text}…"
