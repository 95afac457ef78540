"""The pictures of one experiment, as every command that trains draws them."""

from pathlib import Path

from kerasqueeze import history
from kerasqueeze.study import results
from kerasqueeze.study.figures import curves, layers


def draw(out: Path, name: str) -> None:
    """Draw the history of an experiment below `out`, and its layers where they were logged."""
    curves.draw([results.read(out, name)], curves.single_path(out, name))
    if history.layers_path(out, name).exists():  # not where nothing was trained
        layers.draw(out, name)
