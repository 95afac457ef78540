"""Stanford Cars: a network that never starts, and what lets it start.

ImageNet's training set holds none of these photos: the control here is chance, 1 in 196.
"""

from typing import Any

from kerasqueeze.training.experiment import Experiment

_SCRATCH: dict[str, Any] = {
    "dataset": "stanford_cars",
    "weights": "none",
    "image_size": 96,
    "learning_rate": 1e-3,
    "warmup_steps": 500,
    "epochs": 30,
    "patience": 5,
    "dropout": 0.0,
    "crop_area": 0.5,
    "colour": 0.2,
}
_FINE_TUNING: dict[str, Any] = {
    "dataset": "stanford_cars",
    "weights": "imagenet",
    "image_size": 128,
    "learning_rate": 5e-4,
    "warmup_steps": 100,
    "epochs": 15,
    "patience": 5,
    "dropout": 0.5,
    "crop_area": 0.6,
}

_AS_REPORTED: dict[str, Any] = {
    **_SCRATCH,
    "model": "squeezenet1_0",
    "warmup_steps": 0,
    "clip_norm": 0.0,
    "schedule": "constant",
    "epochs": 10,
    "patience": 10,
    "dropout": 0.5,
    "crop_area": 1.0,
    "flip": False,
    "colour": 0.0,
}

EXPERIMENTS = (
    Experiment(
        name="cars_as_reported",
        optimizer="adam",
        about="""SqueezeNet 1.0 from random weights on 196 models of cars, as an earlier project ran it: no warm-up, no
        clipping. The loss stays at ln 196 = 5.278 and the record says so: "never started". Why: there is no
        batch normalisation, and each of Adam's first steps is as long as the rate, whatever the gradient; they silence
        the last fire module (after four epochs 99 % of its outputs are 0, and those left do not depend on the photo),
        and no gradient comes back through it. A warm-up cures it, clipping does not: the two
        experiments after it.
        python scripts/run.py --exp cars_as_reported --data-dir DIR
        Seed 0: validation loss 5.278 to the end, "never started".""",
        **_AS_REPORTED,
    ),
    Experiment(
        name="cars_as_reported_warmed_up",
        optimizer="adam",
        about="""cars_as_reported with a warm-up of 500 steps, and nothing else changed: is that the cure?
        python scripts/run.py --exp cars_as_reported_warmed_up --data-dir DIR
        Seed 0: it starts; validation loss 5.080 after ten epochs, test accuracy 0.013.""",
        **{**_AS_REPORTED, "warmup_steps": 500},
    ),
    Experiment(
        name="cars_as_reported_clipped",
        optimizer="adam",
        about="""cars_as_reported with gradients clipped to a norm of 1, and nothing else changed: is that the cure?
        python scripts/run.py --exp cars_as_reported_clipped --data-dir DIR
        Seed 0: it is not; "never started".""",
        **{**_AS_REPORTED, "clip_norm": 1.0},
    ),
    Experiment(
        name="cars_scratch_adam",
        optimizer="adam",
        about="""Stanford Cars from random weights with Adam, with warm-up and clipping.
        python scripts/run.py --exp cars_scratch_adam --data-dir DIR
        Seed 0: test accuracy 0.014 (0.009 to 0.024 for the choice of photos); guessing has 0.005.""",
        **_SCRATCH,
    ),
    Experiment(
        name="cars_scratch_amsgrad",
        optimizer="amsgrad",
        about="""The same with AMSGrad.
        python scripts/run.py --exp cars_scratch_amsgrad --data-dir DIR
        Seed 0: test accuracy 0.015.""",
        **_SCRATCH,
    ),
    Experiment(
        name="cars_fine_tuning_adam",
        optimizer="adam",
        about="""Stanford Cars from ImageNet's weights with a new head, all layers free, with Adam.
        python scripts/run.py --exp cars_fine_tuning_adam --data-dir DIR
        Seed 0: test accuracy 0.475.""",
        **_FINE_TUNING,
    ),
    Experiment(
        name="cars_fine_tuning_amsgrad",
        optimizer="amsgrad",
        about="""The same with AMSGrad.
        python scripts/run.py --exp cars_fine_tuning_amsgrad --data-dir DIR
        Seed 0: test accuracy 0.519.""",
        **_FINE_TUNING,
    ),
)
