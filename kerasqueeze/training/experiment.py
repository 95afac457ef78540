"""What one experiment is: a frozen table of settings, checked when it is made."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from kerasqueeze.errors import UserError, unknown

HEADS = ("fresh", "imagenet_slice")
OPTIMIZERS = ("adam", "adam_matched", "amsgrad")
AMSGRAD_FORMS = ("keras", "corrected", "paper")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One treatment: everything that decides a result, but for the seed.

    Attributes:
        name: Name of the experiment and of its files.
        about: What it asks, the exact command, and the result to expect.
        dataset: Name in `kerasqueeze.data.datasets`.
        model: Name in `kerasqueeze.models.backbones`.
        weights: `"none"`, `"imagenet"` or the path of a weights file.
        optimizer: `"adam"`, `"amsgrad"`, or `"adam_matched"`, Adam at AMSGrad's mean rate.
        amsgrad_form: How AMSGrad is written: `"keras"`, `"corrected"` or `"paper"`; see `kerasqueeze.training.adam`.
        learning_rate: The peak, reached after the warm-up.
        warmup_steps: Steps over which the rate rises from 0; at most half of all steps are used.
        epochs: The most epochs; the cosine decay to 0 is laid over them. 0 trains nothing.
        batch_size: Photos a step.
        image_size: Side of the square photos, in pixels, as they are validated and scored.
        crop_size: Side that training resizes its random crops to; None for `image_size`. Crops show things larger
            than whole photos do, so smaller ones can be as large as what is scored, at less work a step: Touvron et
            al. 2019, "Fixing the train-test resolution discrepancy" (arXiv 1906.06423). It has not helped the study.
        clip_norm: Global gradient norm that is clipped to.
        weight_decay: Share, times the learning rate, that each step takes off all weights but biases.
        ema_momentum: Momentum, per step, of the moving average of the weights that is validated, kept and scored in
            place of the last step's weights; 0 averages nothing.
        head: `"fresh"` for a newly initialised last layer, `"imagenet_slice"` for what the weights' own has for
            the same classes, matched by WordNet id.
        label_smoothing: Share of the target that is spread evenly over all classes, in all reported losses too.
        dropout: Share of features dropped before the head.
        crop_area: Smallest share of a photo's area that the random crop keeps; 1 crops nothing.
        flip: Whether photos are mirrored left to right with probability 1/2.
        colour: How far brightness, contrast and saturation are changed: by factors from 1 − `colour` to 1 + `colour`.
        erase: Largest share of the area that a random box hides in every second photo; 0 hides nothing.
        patience: Overfitting epochs before early stopping.
        limit: At most this many training photos a class; None is all.
    """

    name: str
    about: str
    dataset: str
    model: str = "squeezenet1_1"
    weights: str = "none"
    optimizer: str = "adam"
    amsgrad_form: str = "keras"
    learning_rate: float = 1e-4
    warmup_steps: int = 0
    epochs: int = 10
    batch_size: int = 32
    image_size: int = 128
    crop_size: int | None = None
    clip_norm: float = 1.0
    weight_decay: float = 0.0
    ema_momentum: float = 0.0
    head: str = "fresh"
    label_smoothing: float = 0.0
    dropout: float = 0.5
    crop_area: float = 0.5
    flip: bool = True
    colour: float = 0.0
    erase: float = 0.0
    patience: int = 3
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        if self.optimizer not in OPTIMIZERS:
            raise unknown("optimizer", self.optimizer, OPTIMIZERS)
        if self.amsgrad_form not in AMSGRAD_FORMS:
            raise unknown("AMSGrad form", self.amsgrad_form, AMSGRAD_FORMS)
        if self.amsgrad_form != "keras" and self.optimizer != "amsgrad":
            raise UserError(
                f"amsgrad_form={self.amsgrad_form!r} does nothing with optimizer={self.optimizer!r}; use 'amsgrad'"
            )
        if self.head not in HEADS:
            raise unknown("head", self.head, HEADS)
        _check("epochs", self.epochs, lambda value: value >= 0, "a whole number from 0 up")
        for field in ("batch_size", "patience"):
            _check(field, getattr(self, field), lambda value: value >= 1, "a whole number from 1 up")
        if self.limit is not None:
            _check("limit", self.limit, lambda value: value >= 2, "a whole number from 2 up")
        _check("warmup_steps", self.warmup_steps, lambda value: value >= 0, "a whole number from 0 up")
        _check("image_size", self.image_size, lambda value: 32 <= value <= 1024, "32 to 1024 pixels")
        if self.crop_size is not None:
            expected = f"32 to image_size={self.image_size} pixels"
            _check("crop_size", self.crop_size, lambda value: 32 <= value <= self.image_size, expected)
        _check("learning_rate", self.learning_rate, lambda value: 0 < value <= 1, "a number above 0, at most 1")
        _check("clip_norm", self.clip_norm, lambda value: value > 0, "a number above 0")
        _check("weight_decay", self.weight_decay, lambda value: 0 <= value < 1, "a number from 0 up, below 1")
        _check("ema_momentum", self.ema_momentum, lambda value: 0 <= value < 1, "a number from 0 up, below 1")
        _check("label_smoothing", self.label_smoothing, lambda value: 0 <= value < 1, "a number from 0 up, below 1")
        _check("dropout", self.dropout, lambda value: 0 <= value < 1, "a number from 0 up, below 1")
        _check("crop_area", self.crop_area, lambda value: 0 < value <= 1, "a number above 0, at most 1")
        _check("colour", self.colour, lambda value: 0 <= value <= 1, "a number from 0 to 1")
        _check(
            "erase", self.erase, lambda value: value == 0 or 0.02 < value <= 1, "0, or a number above 0.02, at most 1"
        )

    def override(self, **changes: Any) -> "Experiment":
        """Return a copy with some settings changed.

        Raises:
            UserError: If a setting is unknown, of the wrong type or out of range.
        """
        fields = {field.name: field.type for field in dataclasses.fields(self)}
        for key, value in changes.items():
            if key not in fields:
                raise unknown("setting", key, fields)
            kind: Any = fields[key]
            fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
            if not fits or (isinstance(value, bool) and kind is not bool):
                wanted = getattr(kind, "__name__", str(kind))
                raise UserError(f"{key}={value!r} is of type {type(value).__name__}; expected {wanted}")
        return dataclasses.replace(self, **changes)

    def settings(self) -> dict[str, Any]:
        """Return all that decides a result, as plain values: the fields but for `about`."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "about"}

    @property
    def initialisation(self) -> str:
        """How the weights begin: `"random"` or `"pretrained"`."""
        return "random" if self.weights == "none" else "pretrained"


def completed(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a record with those that it is too old to have, at their defaults, which do nothing."""
    defaults = {field.name: field.default for field in dataclasses.fields(Experiment)}
    return {**{key: value for key, value in defaults.items() if value is not dataclasses.MISSING}, **settings}


def _check(field: str, value: Any, fits: Any, expected: str) -> None:
    if (isinstance(value, float) and not math.isfinite(value)) or not fits(value):
        raise UserError(f"{field}={value!r} is out of range; expected {expected}")
