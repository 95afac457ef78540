"""The named experiments. Each entry's `about` holds what it asks, the command and the result to expect."""

import inspect
import textwrap
from typing import Any

from kerasqueeze.errors import unknown
from kerasqueeze.training.experiment import Experiment

_DOGS_SCRATCH: dict[str, Any] = {
    "dataset": "stanford_dogs",
    "weights": "none",
    "learning_rate": 8e-4,
    "weight_decay": 0.05,
    "ema_momentum": 0.999,
    "warmup_steps": 1500,
    "epochs": 90,
    "batch_size": 16,
    "dropout": 0.0,
    "crop_area": 0.35,
}
_DOGS_FINE_TUNING: dict[str, Any] = {
    "dataset": "stanford_dogs",
    "weights": "imagenet",
    "head": "imagenet_slice",
    "image_size": 224,
    "learning_rate": 1e-4,
    "warmup_steps": 100,
    "epochs": 2,
    "ema_momentum": 0.998,
    "dropout": 0.5,
    "crop_area": 0.7,
}
_DIGITS: dict[str, Any] = {
    "dataset": "digits",
    "weights": "none",
    "learning_rate": 1e-3,
    "warmup_steps": 100,
    "epochs": 15,
    "image_size": 32,
    "dropout": 0.2,
    "crop_area": 0.8,
    "flip": False,
}

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            name="scratch_adam",
            optimizer="adam",
            about="""Stanford Dogs from random weights with Adam: how far do 10,800 photos alone go?
            python scripts/run.py --exp scratch_adam --data-dir DIR
            Seed 0: overfitting after 44 epochs, test accuracy 0.205 (0.197 to 0.214 for the choice of photos).""",
            **_DOGS_SCRATCH,
        ),
        Experiment(
            name="scratch_amsgrad",
            optimizer="amsgrad",
            about="""The same with AMSGrad.
            python scripts/run.py --exp scratch_amsgrad --data-dir DIR
            Not run yet.""",
            **_DOGS_SCRATCH,
        ),
        Experiment(
            name="zero_training",
            about="""The control: ImageNet's network as it is, its head cut down to the 120 breeds. Nothing is trained.
            python scripts/run.py --exp zero_training --data-dir DIR
            Test accuracy 0.705 (0.696 to 0.715 for the choice of photos).""",
            **{**_DOGS_FINE_TUNING, "epochs": 0},
        ),
        Experiment(
            name="fine_tuning_adam",
            optimizer="adam",
            about="""Stanford Dogs from ImageNet's weights, head included, all layers free, with Adam.
            python scripts/run.py --exp fine_tuning_adam --data-dir DIR
            Seeds 0 to 2: test accuracy 0.725, 0.729, 0.728; the untouched network has 0.705.""",
            **_DOGS_FINE_TUNING,
        ),
        Experiment(
            name="fine_tuning_amsgrad",
            optimizer="amsgrad",
            about="""The same with AMSGrad.
            python scripts/run.py --exp fine_tuning_amsgrad --data-dir DIR
            Seeds 0 to 2: test accuracy 0.727, 0.729, 0.727.""",
            **_DOGS_FINE_TUNING,
        ),
        Experiment(
            name="fine_tuning_adam_matched",
            optimizer="adam_matched",
            about="""The same with Adam at AMSGrad's mean effective rate: is AMSGrad more than a smaller rate?
            python scripts/run.py --exp fine_tuning_adam_matched --data-dir DIR
            Not run yet.""",
            **_DOGS_FINE_TUNING,
        ),
        Experiment(
            name="digits_scratch_adam",
            optimizer="adam",
            about="""Ten digits, 8 x 8 pixels enlarged, from random weights with Adam: everything, offline, in a minute.
            python scripts/run.py --exp digits_scratch_adam
            Expect a test accuracy of about 0.91 to 0.97 (three seeds each).""",
            **_DIGITS,
        ),
        Experiment(
            name="digits_scratch_amsgrad",
            optimizer="amsgrad",
            about="""The same with AMSGrad.
            python scripts/run.py --exp digits_scratch_amsgrad
            Expect a test accuracy of about 0.91 to 0.97 (three seeds each).""",
            **_DIGITS,
        ),
    )
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
