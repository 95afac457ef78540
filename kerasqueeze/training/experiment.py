"""What one experiment is: a frozen table of settings, checked when it is made."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from kerasqueeze.errors import UserError, unknown
from kerasqueeze.training.phases import FREE, told_by_every, total_epochs
from kerasqueeze.training.phases import of as phases_of
from kerasqueeze.training.settings import Choices, Range, fields

_MOST = 100_000
"""More epochs, photos a step or epochs of patience are a slip of the finger."""
_MOST_STEPS = 1_000_000_000
"""More steps do not fit the 32 bits that they are counted in."""
_SHARE = Range(0, 1, below=True)
OPTIMIZERS = {
    "adam": 1e-3,
    "adam_matched": 1e-3,
    "amsgrad": 1e-3,
    "sgd": 1e-2,
    "momentum": 1e-2,
    "nesterov": 1e-2,
    "adagrad": 1e-2,
    "rmsprop": 1e-3,
    "adamw": 1e-3,
    "lion": 1e-4,
    "muon": 1e-3,
}
"""The update rules and their usual rates: Keras' defaults, but for AdaGrad, which has the paper's and torch's, and
Lion, whose paper recommends a tenth of Adam's. An experiment whose rule is changed keeps its rate in proportion."""
_OPTAX_RATE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One treatment: everything that decides a result, but for the seed.

    A setting is written here and nowhere else: options, their help, checks and the record are derived from it. What
    does not fit a line of help: Adam's and AMSGrad's forms are explained in `kerasqueeze.training.optimizers.adam`;
    crops show things larger than whole photos do, so that with a smaller `crop_size` they can be as large as what is
    scored, at less work a step (Touvron et al. 2019, "Fixing the train-test resolution discrepancy", arXiv
    1906.06423; it has not helped the study).
    """

    name: Annotated[str, "name of the experiment and of its files"]
    about: Annotated[str, "what it asks, the exact command, and the result to expect"]
    dataset: Annotated[
        str, "name of the data set", Choices(kept_in="kerasqueeze.data.datasets", noun="data set", prefix="tfds:")
    ]
    model: Annotated[str, "name of the network", Choices(kept_in="kerasqueeze.models.names")] = "squeezenet1_1"
    width: Annotated[float, "multiplier of the network's number of filters, of MobileNets", Range(0, 4, above=True)] = (
        1.0
    )
    weights: Annotated[str, "initial weights: none, imagenet, or a .pth, .weights.h5 or .keras file"] = "none"
    optimizer: Annotated[
        str,
        "the update rule; adam_matched is Adam at AMSGrad's mean rate; optax:NAME is any of optax that takes a "
        "learning rate; if it is changed without a rate, the rate changes as the rules' usual rates do",
        Choices(tuple(OPTIMIZERS), prefix="optax:"),
    ] = "adam"
    optimizer_options: Annotated[
        str, "further arguments of the update rule as Keras or optax name them, KEY=VALUE,..., such as beta_1=0.95"
    ] = ""
    amsgrad_form: Annotated[
        str,
        "how AMSGrad is written: as in Keras, with the maximum of bias-corrected moments, or as in the paper",
        Choices(("keras", "corrected", "paper"), noun="AMSGrad form"),
    ] = "keras"
    learning_rate: Annotated[float, "peak learning rate, reached after the warm-up", Range(0, 1, above=True)] = 1e-4
    warmup_steps: Annotated[
        int, "steps over which the rate rises from 0; at most half of all steps are used", Range(0, _MOST_STEPS)
    ] = 0
    schedule: Annotated[
        str,
        "how the rate falls after the warm-up, over all epochs: along a cosine or a line to 0, evenly in its logarithm "
        "to a hundredth, in two steps by ten, or not at all; one_cycle has a warm-up of its own",
        Choices(("cosine", "one_cycle", "step", "linear", "exponential", "constant")),
    ] = "cosine"
    cycle_momentum: Annotated[
        bool, "with one_cycle, let Adam's beta_1 fall from 0.95 to 0.85 and rise again while the rate does the opposite"
    ] = False
    freeze: Annotated[
        str,
        "what stays as it is: the backbone (all but the head), all but the last stage and the head, or nothing",
        Choices(tuple(FREE), noun="part to freeze"),
    ] = "none"
    phases: Annotated[
        str,
        "phases instead of one training, such as 'free=head epochs=2 learning_rate=1e-3; free=all epochs=3': free is "
        "head, last_stage, all, or a stage with all behind it; also optimizer, optimizer_options, schedule, "
        "warmup_steps, keep_state",
    ] = ""
    rate_factors: Annotated[
        str,
        "what the rate is multiplied by: a number, once for each stage between a stage and the head, or STAGE=X,...",
    ] = ""
    cache_features: Annotated[
        bool, "compute what a frozen front of the network gives once, where nothing random happens in it, and keep it"
    ] = True
    augment_views: Annotated[
        int, "augmented views of each photo whose features are kept, used in turn; 0 keeps none", Range(0, 1000)
    ] = 0
    epochs: Annotated[
        int,
        "the most epochs, those of all phases together; the schedule is laid over them; 0 trains nothing",
        Range(0, _MOST),
    ] = 10
    batch_size: Annotated[int, "photos a step", Range(1, _MOST)] = 32
    image_size: Annotated[
        int, "side of the square photos as they are validated and scored", Range(32, 1024, unit="pixels")
    ] = 128
    resize: Annotated[
        str,
        "how photos become square: their centre is cut out, or they are squashed",
        Choices(("crop", "squash"), noun="way to resize"),
    ] = "crop"
    enlarge: Annotated[
        int | None,
        "side that photos of image_size are enlarged to on the device, in front of augmentation and network; not at "
        "all if not given",
        Range(32, 1024, unit="pixels"),
    ] = None
    crop_size: Annotated[
        int | None,
        "side that training resizes its random crops to, at most image_size, or enlarge; that if not given",
        Range(32, 1024, unit="pixels"),
    ] = None
    clip_norm: Annotated[float, "global gradient norm that is clipped to; 0 clips nothing", Range(0)] = 1.0
    weight_decay: Annotated[
        float, "share, times the learning rate, that each step takes off all weights but biases", _SHARE
    ] = 0.0
    decay_form: Annotated[
        str,
        "decoupled: weight_decay as it says; coupled (L2): weight_decay times all weights is added to their gradients",
        Choices(("decoupled", "coupled"), noun="form of weight decay"),
    ] = "decoupled"
    ema_momentum: Annotated[
        float,
        "momentum, per step, of the moving average of the weights that is validated, kept and scored in place of the "
        "last step's weights; 0 averages nothing",
        _SHARE,
    ] = 0.0
    head: Annotated[
        str,
        "the last layer: newly initialised, or what the weights' own has for the same classes, by WordNet id",
        Choices(("fresh", "imagenet_slice")),
    ] = "fresh"
    label_smoothing: Annotated[
        float, "share of the target that is spread evenly over all classes, in all reported losses too", _SHARE
    ] = 0.0
    dropout: Annotated[float, "share of features dropped before the head", _SHARE] = 0.5
    crop_area: Annotated[
        float,
        "smallest share of a photo's area that the random crop keeps; 1 crops nothing",
        Range(0, 1, above=True),
    ] = 0.5
    flip: Annotated[bool, "mirror photos left to right with probability 1/2"] = True
    colour: Annotated[
        float,
        "how far brightness, contrast and saturation are changed: by factors from 1 - colour to 1 + colour",
        Range(0, 1),
    ] = 0.0
    erase: Annotated[
        float,
        "largest share of the area that a random box hides in every second photo; 0 hides nothing",
        Range(0.02, 1, above=True, or_zero=True),
    ] = 0.0
    patience: Annotated[int, "overfitting epochs before early stopping", Range(1, _MOST)] = 3
    keep: Annotated[
        str,
        "whose weights are scored and saved: those of the lowest validation loss, or the last epoch's",
        Choices(("best", "last"), noun="epoch to keep"),
    ] = "best"
    limit: Annotated[int | None, "most training photos a class; all if not given", Range(2, _MOST_STEPS)] = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        for field in fields(Experiment).values():
            field.check(getattr(self, field.name), self)
        if self.amsgrad_form != "keras" and self.optimizer != "amsgrad":
            raise UserError(
                f"amsgrad_form={self.amsgrad_form!r} does nothing with optimizer={self.optimizer!r}; use 'amsgrad'"
            )
        if self.optimizer == "adam_matched" and self.decay_form == "coupled":
            raise UserError("optimizer='adam_matched' has no coupled weight decay; use decay_form='decoupled'")
        if self.crop_size is not None and self.crop_size > self.network_size:
            limit = "image_size" if self.enlarge is None else "enlarge"
            raise UserError(
                f"crop_size={self.crop_size} is out of range; expected 32 to {limit}={self.network_size} pixels"
            )
        if self.phases and self.freeze != "none":
            raise UserError(f"freeze={self.freeze!r} and phases are two ways to say the same; give one of them")
        if self.phases:
            epochs = sum(phase.epochs for phase in phases_of(self))
            if epochs != self.epochs:
                raise UserError(f"epochs={self.epochs}, but the phases have {epochs} together; change the phases")
        if self.augment_views and not self.cache_features:
            raise UserError("augment_views needs cache_features; give one of them up")
        if self.augment_views and all(phase.free == "all" for phase in phases_of(self)):
            raise UserError("augment_views does nothing while all layers train; freeze some: freeze, or phases")
        if self.rate_factors and self.optimizer == "adam_matched":
            raise UserError("optimizer='adam_matched' has one rate for all weights; rate_factors do nothing there")
        if self.cycle_momentum and (
            self.schedule != "one_cycle" or self.optimizer not in ("adam", "amsgrad") or self.amsgrad_form != "keras"
        ):
            raise UserError("cycle_momentum needs schedule='one_cycle' and optimizer='adam' or 'amsgrad', Keras' form")

    def override(self, **changes: Any) -> "Experiment":
        """Return a copy with some settings changed.

        Raises:
            UserError: If a setting is unknown, of the wrong type or out of range.
        """
        known = fields(Experiment)
        for key, value in changes.items():
            if key not in known:
                raise unknown("setting", key, known)
            known[key].check_type(value)
        in_every_phase = told_by_every(str(changes.get("phases", self.phases)))
        for key in in_every_phase & (changes.keys() - {"epochs"}):
            raise UserError(f"{key} does nothing here: each of the phases has its own; change the phases")
        if "optimizer" in changes and "learning_rate" not in changes and "learning_rate" not in in_every_phase:
            ratio = usual_rate(changes["optimizer"]) / usual_rate(self.optimizer)
            changes["learning_rate"] = float(f"{self.learning_rate * ratio:.12g}")
        if changes.get("phases", "").strip() and "epochs" not in changes:
            changes["epochs"] = total_epochs(changes["phases"]) or self.epochs
        return dataclasses.replace(self, **changes)

    def settings(self) -> dict[str, Any]:
        """Return all that decides a result, as plain values: the fields but for `about`."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "about"}

    @property
    def network_size(self) -> int:
        """Side of the square images that the network validates and scores."""
        return self.image_size if self.enlarge is None else self.enlarge

    @property
    def initialisation(self) -> str:
        """How the weights begin: `"random"` or `"pretrained"`."""
        return "random" if self.weights == "none" else "pretrained"


def usual_rate(optimizer: str) -> float:
    """Return the rate that an update rule usually has."""
    return OPTIMIZERS.get(optimizer, _OPTAX_RATE)


def completed(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a record with those that it is too old to have, at their defaults, which do nothing."""
    defaults = {field.name: field.default for field in dataclasses.fields(Experiment)}
    return {**{key: value for key, value in defaults.items() if value is not dataclasses.MISSING}, **settings}
