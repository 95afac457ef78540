"""Stanford Dogs: Adam or AMSGrad, pretrained or from scratch?"""

from typing import Any

from kerasqueeze.training.experiment import Experiment

_SCRATCH: dict[str, Any] = {
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
_FINE_TUNING: dict[str, Any] = {
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

_FINE_TUNING_LONG: dict[str, Any] = {**_FINE_TUNING, "epochs": 15, "patience": 3}

_AS_REPORTED: dict[str, Any] = {
    "dataset": "stanford_dogs",
    "weights": "imagenet",
    "image_size": 224,
    "resize": "squash",
    "crop_area": 1.0,
    "flip": False,
    "dropout": 0.5,
    "batch_size": 32,
    "learning_rate": 5e-4,
    "schedule": "one_cycle",
    "weight_decay": 1e-4,
    "decay_form": "coupled",
    "clip_norm": 0.0,
    "epochs": 30,
    "patience": 30,
    "keep": "last",
}
_FREEZE: dict[str, Any] = {
    "dataset": "stanford_dogs",
    "weights": "imagenet",
    "image_size": 224,
    "crop_area": 1.0,
    "flip": False,
    "dropout": 0.0,
    "patience": 3,
}
_STOPPED: dict[str, Any] = {"patience": 3, "keep": "best"}

EXPERIMENTS = (
    Experiment(
        name="scratch_adam",
        optimizer="adam",
        about="""Stanford Dogs from random weights with Adam: how far do 10,800 photos alone go?
        python scripts/run.py --exp scratch_adam --data-dir DIR
        Seed 0: overfitting after 44 epochs, test accuracy 0.205 (0.197 to 0.214 for the choice of photos).""",
        **_SCRATCH,
    ),
    Experiment(
        name="scratch_amsgrad",
        optimizer="amsgrad",
        about="""The same with AMSGrad.
        python scripts/run.py --exp scratch_amsgrad --data-dir DIR
        Not run yet.""",
        **_SCRATCH,
    ),
    Experiment(
        name="zero_training",
        about="""The control: ImageNet's network as it is, its head cut down to the 120 breeds. Nothing is trained.
        python scripts/run.py --exp zero_training --data-dir DIR
        Test accuracy 0.705 (0.696 to 0.715 for the choice of photos).""",
        **{**_FINE_TUNING, "epochs": 0},
    ),
    Experiment(
        name="fine_tuning_adam",
        optimizer="adam",
        about="""Stanford Dogs from ImageNet's weights, head included, all layers free, with Adam.
        python scripts/run.py --exp fine_tuning_adam --data-dir DIR
        Seeds 0 to 2: test accuracy 0.725, 0.729, 0.728; the untouched network has 0.705.""",
        **_FINE_TUNING,
    ),
    Experiment(
        name="fine_tuning_amsgrad",
        optimizer="amsgrad",
        about="""The same with AMSGrad.
        python scripts/run.py --exp fine_tuning_amsgrad --data-dir DIR
        Seeds 0 to 2: test accuracy 0.727, 0.729, 0.727.""",
        **_FINE_TUNING,
    ),
    Experiment(
        name="fine_tuning_adam_long",
        optimizer="adam",
        about="""fine_tuning_adam, trained to overfitting: what do more epochs give, and when does it stop?
        python scripts/run.py --exp fine_tuning_adam_long --data-dir DIR
        Seeds 0 to 2: overfitting after 5 epochs, the best of them the second; test accuracy 0.726, 0.729, 0.732.""",
        **_FINE_TUNING_LONG,
    ),
    Experiment(
        name="fine_tuning_amsgrad_long",
        optimizer="amsgrad",
        about="""The same with AMSGrad, trained to overfitting.
        python scripts/run.py --exp fine_tuning_amsgrad_long --data-dir DIR
        Seeds 0 to 2: overfitting after 5 or 6 epochs; test accuracy 0.726, 0.730, 0.729.""",
        **_FINE_TUNING_LONG,
    ),
    Experiment(
        name="fine_tuning_adam_matched",
        optimizer="adam_matched",
        about="""The same with Adam at AMSGrad's mean effective rate: is AMSGrad more than a smaller rate?
        python scripts/run.py --exp fine_tuning_adam_matched --data-dir DIR
        Not run yet.""",
        **_FINE_TUNING,
    ),
    Experiment(
        name="dogs_as_reported_adam",
        optimizer="adam",
        about="""The study that this package comes from, as it was run: squashed photos, no augmentation, a new head,
        all layers free, one cycle of the rate, coupled weight decay, 30 epochs to the end. It reported a validation
        accuracy of 0.633, on a random split without a seed, and its lowest validation loss at epoch 14.
        python scripts/run.py --exp dogs_as_reported_adam --data-dir DIR
        Seed 0 at 160 px: lowest validation loss at epoch 5, test accuracy after 30 epochs 0.536; untouched: 0.589.""",
        **_AS_REPORTED,
    ),
    Experiment(
        name="dogs_as_reported_amsgrad",
        optimizer="amsgrad",
        about="""The same with AMSGrad; reported: 0.638, lowest validation loss at epoch 11.
        python scripts/run.py --exp dogs_as_reported_amsgrad --data-dir DIR
        Seed 0 at 160 px: lowest validation loss at epoch 6, test accuracy after 30 epochs 0.537.""",
        **_AS_REPORTED,
    ),
    Experiment(
        name="dogs_as_reported_scratch",
        optimizer="adam",
        model="squeezenet1_0",
        about="""The same from random weights, with SqueezeNet 1.0; reported: 0.217, lowest validation loss at epoch 21.
        python scripts/run.py --exp dogs_as_reported_scratch --data-dir DIR
        Not run yet.""",
        **{**_AS_REPORTED, "weights": "none"},
    ),
    Experiment(
        name="dogs_as_reported_adam_stopped",
        optimizer="adam",
        about="""dogs_as_reported_adam, stopped at overfitting, the weights of the lowest validation loss kept.
        python scripts/run.py --exp dogs_as_reported_adam_stopped --data-dir DIR
        Seed 0 at 160 px: stopped after 8 epochs, test accuracy 0.470.""",
        **{**_AS_REPORTED, **_STOPPED},
    ),
    Experiment(
        name="dogs_as_reported_amsgrad_stopped",
        optimizer="amsgrad",
        about="""dogs_as_reported_amsgrad, stopped at overfitting, the weights of the lowest validation loss kept.
        python scripts/run.py --exp dogs_as_reported_amsgrad_stopped --data-dir DIR
        Seed 0 at 160 px: stopped after 9 epochs, test accuracy 0.446.""",
        **{**_AS_REPORTED, **_STOPPED},
    ),
    Experiment(
        name="dogs_freeze_then_free",
        optimizer="adam",
        about="""A lecture's recipe: freeze the pretrained network, train a new head, unfreeze, go on at a tenth of the
        rate. To be read against dogs_all_free.
        python scripts/run.py --exp dogs_freeze_then_free --data-dir DIR
        Seed 0 at 128 px: test accuracy 0.435; untouched: 0.471.""",
        **_FREEZE,
        phases="free=head epochs=5 learning_rate=1e-3; free=all epochs=3 learning_rate=1e-4 warmup_steps=100",
        epochs=8,
    ),
    Experiment(
        name="dogs_all_free",
        optimizer="adam",
        about="""The same network with a new head, all free from the start, as many epochs.
        python scripts/run.py --exp dogs_all_free --data-dir DIR
        Seed 0 at 128 px: overfitting after 7 epochs, test accuracy 0.434.""",
        **_FREEZE,
        learning_rate=1e-4,
        warmup_steps=100,
        epochs=8,
    ),
    Experiment(
        name="dogs_head_alone",
        optimizer="adam",
        about="""The head alone, on features that are computed once.
        python scripts/run.py --exp dogs_head_alone --data-dir DIR
        Seed 0 at 128 px: test accuracy 0.424.""",
        **_FREEZE,
        learning_rate=1e-3,
        freeze="backbone",
        epochs=8,
    ),
)
