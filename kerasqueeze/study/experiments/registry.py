"""The named experiments. Each entry's `about` holds what it asks, the command and the result to expect."""

import inspect
import textwrap

from kerasqueeze.errors import unknown
from kerasqueeze.study.experiments import cifar10, digits, optimizers, stanford_cars, stanford_dogs
from kerasqueeze.training.experiment import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for study in (stanford_dogs, digits, stanford_cars, cifar10, optimizers)
    for experiment in study.EXPERIMENTS
}
DEFAULT = ("digits_scratch_adam", "digits_scratch_amsgrad")
"""What is run when nothing is named: needs no photos and no network."""


def get(name: str) -> Experiment:
    """Return the experiment called `name`.

    Raises:
        UserError: If there is none; the line lists those there are.
    """
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]


def listing() -> str:
    """Return every experiment with what it asks and its settings, as text."""
    blocks = []
    for experiment in EXPERIMENTS.values():
        settings = {key: value for key, value in experiment.settings().items() if key != "name"}
        blocks.append(
            f"{experiment.name}\n{textwrap.indent(inspect.cleandoc(experiment.about), '  ')}\n"
            + textwrap.fill(
                ", ".join(f"{key}={value}" for key, value in settings.items()),
                width=110,
                initial_indent="  ",
                subsequent_indent="  ",
            )
        )
    return "\n\n".join(blocks)
