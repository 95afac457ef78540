"""What every picture is made with: matplotlib without a screen, whole files, and names as a picture can show them."""

import functools
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.figure import Figure

from kerasqueeze.files import whole_file

__all__ = ["names", "plt", "save"]

FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
)
FONTS += ("Microsoft YaHei", "Malgun Gothic", "PingFang SC", "Hiragino Sans GB", "Arial Unicode MS", "Noto Sans")
"""Those that are installed are asked in this order for each letter; the first comes with matplotlib."""
LONGEST = 40


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all, and close it."""
    with whole_file(path) as part:
        figure.savefig(part, dpi=100, metadata={"Software": None})
    plt.close(figure)


def names(classes: Sequence[str]) -> list[str]:
    """Return the names of C classes as they are drawn: shortened, and no mathematics.

    A name with a letter that no installed font has becomes "class 7", by its number: better than boxes.
    """
    fonts, letters = _fonts()
    mpl.rcParams["font.family"] = list(fonts)
    return [_name(number, name, letters) for number, name in enumerate(classes)]


def _name(number: int, name: str, letters: frozenset[int]) -> str:
    if not all(ord(letter) in letters for letter in name) or not name.strip():
        return f"class {number}"
    short = name if len(name) <= LONGEST else f"{name[: LONGEST - 11]}…{name[-10:]}"
    return short.replace("$", r"\$")


@functools.cache
def _fonts() -> tuple[tuple[str, ...], frozenset[int]]:
    """Return the installed fonts of `FONTS` and the letters that they have."""
    installed = set(font_manager.get_font_names())
    found = tuple(font for font in FONTS if font in installed)
    letters: set[int] = set()
    for font in found:
        letters.update(font_manager.get_font(font_manager.findfont(font)).get_charmap())
    return found, frozenset(letters)
