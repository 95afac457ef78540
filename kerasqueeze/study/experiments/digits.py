"""scikit-learn's digits: everything, offline, in minutes."""

from typing import Any

from kerasqueeze.training.experiment import Experiment

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

EXPERIMENTS = (
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
