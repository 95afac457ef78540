"""The pictures of one experiment, as every command that trains draws them."""

from pathlib import Path

from kerasqueeze import history
from kerasqueeze.study import layer_plots, plots, results


def of_experiment(out: Path, name: str) -> None:
    """Draw the history of an experiment below `out`, and its layers where they were logged."""
    plots.draw([results.read(out, name)], plots.single_path(out, name))
    if history.layers_path(out, name).exists():  # not where nothing was trained
        layer_plots.draw(out, name)
