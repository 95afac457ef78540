"""The update rules by name, each with its usual rate."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras

from kerasqueeze.errors import UserError, unknown
from kerasqueeze.training import phases
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.optimizers import adam, from_optax, others, schedules
from kerasqueeze.training.optimizers.observed import Observed

AMSGRAD = {"keras": adam.ObservedAdam, "corrected": adam.CorrectedAMSGrad, "paper": adam.PaperAMSGrad}
USUAL_DECAY = 0.004
"""AdamW's where the experiment has none: Keras' default."""

FIXED = {"amsgrad", "adam_weight_decay", "total_steps"}
"""Arguments of rules that other settings decide."""


class Rule(NamedTuple):
    """A rule: the class, and what it is made with beside the rate."""

    kind: Callable[..., Observed]
    settings: Mapping[str, Any] = {}


RULES = {
    "sgd": Rule(others.ObservedSGD),
    "momentum": Rule(others.ObservedSGD, {"momentum": 0.9}),
    "nesterov": Rule(others.ObservedSGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": Rule(others.ObservedAdagrad),
    "rmsprop": Rule(others.ObservedRMSprop),
    "adam": Rule(adam.ObservedAdam),
    "adam_matched": Rule(adam.MatchedAdam),
    "amsgrad": Rule(adam.ObservedAdam, {"amsgrad": True}),
    "adamw": Rule(adam.ObservedAdam),
    "lion": Rule(others.ObservedLion),
    "muon": Rule(others.ObservedMuon),
}


def build(
    experiment: Experiment,
    steps_per_epoch: int,
    rate_factors: Mapping[str, float] | None = None,
    steps_before: int = 0,
) -> Observed:
    """Return the optimizer of `experiment`, with its schedule laid over all its steps.

    Sources: Adam: Kingma & Ba 2015, arXiv 1412.6980. AMSGrad: Reddi, Kale & Kumar 2018, section 4, as Keras writes it:
    the maximum is over the raw second moment, the bias corrections stay; other forms by `experiment.amsgrad_form`.
    The others: `kerasqueeze.training.optimizers.others`. Weight decay: decoupled, times the rate (Loshchilov & Hutter
    2019, arXiv 1711.05101), biases left out; or coupled, see `Observed`. Averaged weights: Polyak & Juditsky 1992, here
    a moving average that begins at the weights after the first step.

    Args:
        experiment: The settings.
        steps_per_epoch: Steps of an epoch.
        rate_factors: By block of layers, see `Observed`.
        steps_before: Steps that the optimizer's count begins with; the schedule begins behind them.

    Raises:
        UserError: The rule does not take the options.
    """
    total = max(1, experiment.epochs * steps_per_epoch)
    coupled = experiment.decay_form == "coupled"
    decay = experiment.weight_decay or (USUAL_DECAY if experiment.optimizer == "adamw" else None)
    schedule = schedules.build(
        experiment.schedule, experiment.learning_rate, min(experiment.warmup_steps, total // 2), total
    )
    common: dict[str, Any] = {
        "learning_rate": schedules.Later(schedule, steps_before) if steps_before else schedule,
        "global_clipnorm": experiment.clip_norm or None,
        "weight_decay": None if coupled else decay,
        "use_ema": experiment.ema_momentum > 0,
        "ema_momentum": experiment.ema_momentum,
        "coupled_decay": experiment.weight_decay if coupled else 0.0,
        "rate_factors": rate_factors,
    }
    options = parse_options(experiment.optimizer_options)
    optimizer = _build(experiment, common, options, total)
    if not coupled:
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def check(experiment: Experiment) -> None:
    """Refuse, before anything else is done, what a phase's rule does not take, and rules that need more than gradients.

    Raises:
        UserError: In the words of `build`, or of the rule.
    """
    for phase in phases.of(experiment):
        build(phase.settings, 1).build([keras.Variable([[0.0]], name="kernel")])


def parse_options(text: str) -> dict[str, Any]:
    """Read `key=value,…`: whole numbers, numbers, true, false, none, and names.

    Raises:
        UserError: It is no such list.
    """
    found: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not (sign and key.isidentifier() and value) or key in found:
            raise UserError(f"optimizer_options={text!r} is no list of options; expected key=value,…, each key once")
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:
    known = {"true": True, "false": False, "none": None}
    if text.lower() in known:
        return known[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _build(experiment: Experiment, common: dict[str, Any], options: dict[str, Any], total: int) -> Observed:
    name = experiment.optimizer
    if name.startswith(from_optax.PREFIX):
        return from_optax.OptaxOptimizer(rule=name.removeprefix(from_optax.PREFIX), options=options, **common)
    kind, settings = RULES[name]
    if name == "amsgrad":
        kind = AMSGRAD[experiment.amsgrad_form]
    if name == "muon":
        settings = {"adam_weight_decay": common["weight_decay"]}  # Keras' own would be 0.004
    if experiment.cycle_momentum:
        kind, settings = adam.CycledAdam, {**settings, "total_steps": total}
    taken = set(keras_arguments(kind)) - set(common) - FIXED
    for option in options:
        if option not in taken:
            raise unknown(f"option of {name}", option, sorted(taken))
    try:
        return kind(**{**common, **settings, **options})
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{name} does not take optimizer_options={experiment.optimizer_options!r} ({reason})") from None


def keras_arguments(kind: Any) -> list[str]:
    """Return the arguments of a rule of Keras that are its own: those that Keras' bases have not."""
    bases = set(keras.optimizers.Optimizer(0.1, name="x").get_config()) | {"is_legacy_optimizer"}
    needed = {"total_steps": 1} if kind is adam.CycledAdam else {}
    return [name for name in kind(learning_rate=0.1, **needed).get_config() if name not in bases]
