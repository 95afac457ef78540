"""What one experiment is: a frozen table of settings, checked when it is made."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from kerasqueeze.errors import UserError, unknown
from kerasqueeze.training.settings import Choices, Range, fields

_MOST = 100_000
"""More epochs, photos a step or epochs of patience are a slip of the finger."""
_MOST_STEPS = 1_000_000_000
"""More steps do not fit the 32 bits that they are counted in."""
_SHARE = Range(0, 1, below=True)


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
    dataset: Annotated[str, "name of the data set", Choices(kept_in="kerasqueeze.data.datasets", noun="data set")]
    model: Annotated[str, "name of the network", Choices(kept_in="kerasqueeze.models.names")] = "squeezenet1_1"
    weights: Annotated[str, "initial weights: none, imagenet, or a .pth, .weights.h5 or .keras file"] = "none"
    optimizer: Annotated[
        str,
        "the update rule; adam_matched is Adam at AMSGrad's mean rate",
        Choices(("adam", "adam_matched", "amsgrad")),
    ] = "adam"
    amsgrad_form: Annotated[
        str,
        "how AMSGrad is written: as in Keras, with the maximum of bias-corrected moments, or as in the paper",
        Choices(("keras", "corrected", "paper"), noun="AMSGrad form"),
    ] = "keras"
    learning_rate: Annotated[float, "peak learning rate, reached after the warm-up", Range(0, 1, above=True)] = 1e-4
    warmup_steps: Annotated[
        int, "steps over which the rate rises from 0; at most half of all steps are used", Range(0, _MOST_STEPS)
    ] = 0
    epochs: Annotated[
        int, "the most epochs; the cosine decay to 0 is laid over them; 0 trains nothing", Range(0, _MOST)
    ] = 10
    batch_size: Annotated[int, "photos a step", Range(1, _MOST)] = 32
    image_size: Annotated[
        int, "side of the square photos as they are validated and scored", Range(32, 1024, unit="pixels")
    ] = 128
    crop_size: Annotated[
        int | None,
        "side that training resizes its random crops to; image_size if not given",
        Range(32, "image_size", unit="pixels"),
    ] = None
    clip_norm: Annotated[float, "global gradient norm that is clipped to", Range(0, above=True)] = 1.0
    weight_decay: Annotated[
        float, "share, times the learning rate, that each step takes off all weights but biases", _SHARE
    ] = 0.0
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
    limit: Annotated[int | None, "most training photos a class; all if not given", Range(2, _MOST_STEPS)] = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        for field in fields(Experiment).values():
            field.check(getattr(self, field.name), self)
        if self.amsgrad_form != "keras" and self.optimizer != "amsgrad":
            raise UserError(
                f"amsgrad_form={self.amsgrad_form!r} does nothing with optimizer={self.optimizer!r}; use 'amsgrad'"
            )

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
