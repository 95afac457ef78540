"""Six update rules from the same start: on the digits, and on photos of CIFAR-10.

Each has a rate of its own, chosen by validation alone over a grid of rates three times apart (seed 0); one rate for all
would decide the race. The sweeps' tables are `sweep.csv` in `CSV/optimizers_digits/` and `CSV/optimizers_cifar10/`;
no best rate lay at the edge of its grid.
"""

from typing import Any

from kerasqueeze.training.experiment import Experiment

RATES = {
    "digits": {"sgd": 0.1, "momentum": 0.03, "adagrad": 0.1, "rmsprop": 1e-3, "adam": 1e-3, "amsgrad": 1e-3},
    "cifar10": {"sgd": 0.3, "momentum": 0.03, "adagrad": 0.1, "rmsprop": 3e-4, "adam": 1e-3, "amsgrad": 1e-3},
}
"""By data set and rule, what the sweeps chose."""
_SETTINGS: dict[str, dict[str, Any]] = {
    "digits": {
        "dataset": "digits",
        "weights": "none",
        "warmup_steps": 100,
        "epochs": 10,
        "image_size": 32,
        "dropout": 0.2,
        "crop_area": 0.8,
        "flip": False,
        "patience": 10,
    },
    "cifar10": {
        "dataset": "cifar10",
        "weights": "imagenet",
        "warmup_steps": 50,
        "epochs": 3,
        "image_size": 32,
        "enlarge": 64,
        "crop_area": 0.8,
        "patience": 3,
    },
}
_TITLES = {
    "sgd": "plain SGD",
    "momentum": "momentum",
    "adagrad": "AdaGrad",
    "rmsprop": "RMSProp",
    "adam": "Adam",
    "amsgrad": "AMSGrad",
}
_PHOTOS = {
    "digits": "the digits from random weights, 10 epochs",
    "cifar10": "CIFAR-10 at 64 px from ImageNet's weights with a new head, 3 epochs",
}

EXPERIMENTS = tuple(
    Experiment(
        name=f"optimizers_{photos}_{rule}",
        optimizer=rule,
        learning_rate=rate,
        about=f"""{_TITLES[rule]} on {_PHOTOS[photos]}, at the best of its rates.
        python scripts/run.py --exp optimizers_{photos}_{rule}{" --data-dir DIR" if photos == "cifar10" else ""}
        The report's table has the results.""",
        **_SETTINGS[photos],
    )
    for photos, rates in RATES.items()
    for rule, rate in rates.items()
)
