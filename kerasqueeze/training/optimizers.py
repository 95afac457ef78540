"""The optimizers of the study: Adam and AMSGrad, the same but for one maximum, with their schedule."""

from typing import Any

import keras

from kerasqueeze.training import adam
from kerasqueeze.training.experiment import Experiment

ADAM = {"adam": adam.ObservedAdam, "adam_matched": adam.MatchedAdam}
AMSGRAD = {"keras": adam.ObservedAdam, "corrected": adam.CorrectedAMSGrad, "paper": adam.PaperAMSGrad}


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises linearly to its peak and falls along half a cosine to 0.

    Without the rise SqueezeNet, which has no batch normalisation, often never leaves a loss of ln(classes).
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int):
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps

    def __call__(self, step: Any) -> Any:
        """Return the rate of `step`, counted from 0; the first is `peak / warmup_steps`, not 0."""
        step = keras.ops.cast(step, "float32")
        rise = (step + 1.0) / max(1, self.warmup_steps)
        done = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        fall = 0.5 * (1.0 + keras.ops.cos(3.141592653589793 * keras.ops.clip(done, 0.0, 1.0)))
        return self.peak * keras.ops.minimum(rise, fall)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}


def build(experiment: Experiment, steps_per_epoch: int) -> adam.ObservedAdam:
    """Return the optimizer of `experiment`, with its schedule laid over all its steps.

    Adam: Kingma & Ba 2015, arXiv 1412.6980. AMSGrad: Reddi, Kale & Kumar 2018, section 4, as Keras writes it: the
    maximum is over the raw second moment, the bias corrections stay; other forms by `experiment.amsgrad_form`. Weight
    decay: Loshchilov & Hutter 2019, arXiv 1711.05101, decoupled, times the rate; biases are left out. Averaged weights:
    Polyak & Juditsky 1992, here a moving average that begins at the weights after the first step.
    """
    total = max(1, experiment.epochs * steps_per_epoch)
    amsgrad = experiment.optimizer == "amsgrad"
    kind = AMSGRAD[experiment.amsgrad_form] if amsgrad else ADAM[experiment.optimizer]
    optimizer = kind(
        learning_rate=Warmup(experiment.learning_rate, min(experiment.warmup_steps, total // 2), total),
        amsgrad=amsgrad,
        global_clipnorm=experiment.clip_norm,
        weight_decay=experiment.weight_decay or None,
        use_ema=experiment.ema_momentum > 0,
        ema_momentum=experiment.ema_momentum,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer
