"""The pictures of one experiment, as every command that trains and the report draw them."""

from collections.abc import Callable
from pathlib import Path

from kerasqueeze.study import results
from kerasqueeze.study.figures import confusion, curves, layers
from kerasqueeze.study.results import Result

FIGURES: tuple[Callable[[Result, Path], None], ...] = (curves.draw_one, layers.draw_one, confusion.draw)
"""What draws a picture of a result into the PNG/ of a folder, and nothing where the result does not hold it."""


def draw(out: Path, name: str) -> None:
    """Draw every picture of an experiment below `out`."""
    draw_result(results.read(out, name), out)


def draw_result(result: Result, out: Path) -> None:
    """Draw every picture of a result that was read already."""
    for figure in FIGURES:
        figure(result, out)
