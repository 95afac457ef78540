"""The optimizers of the study: Adam and AMSGrad, the same but for one maximum, with their schedule."""

from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.optimizers import adam
from kerasqueeze.training.optimizers.schedule import Warmup

ADAM = {"adam": adam.ObservedAdam, "adam_matched": adam.MatchedAdam}
AMSGRAD = {"keras": adam.ObservedAdam, "corrected": adam.CorrectedAMSGrad, "paper": adam.PaperAMSGrad}


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
