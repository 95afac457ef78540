"""Which layers of a backbone form its stages, and so its head; and which of them train."""

import re

import keras
from keras import layers

from kerasqueeze.errors import UserError, unknown

STAGE = re.compile(
    r"(?:bn_)?(fire\d+|conv\d+_block\d+|block_?\d+[a-z]?|expanded_conv|[Cc]onv_?(?:dw_|pw_)?\d+|stem|top|predictions)"
)
"""The name of a stage, at the beginning of the names of its layers."""


def stages(model: keras.Model) -> tuple[tuple[str, ...], ...]:
    """Return the names of a backbone's layers that have weights, by stage, front to back; the head is the last stage.

    A stage is a fire module, a residual or inverted bottleneck block, or a single convolution with its normalisation.
    """
    return tuple(named(model).values())


def named(model: keras.Model) -> dict[str, tuple[str, ...]]:
    """Return the same by the stages' names."""
    found: dict[str, list[str]] = {}
    for layer in model.layers:
        if layer.weights and not isinstance(layer, layers.Normalization):  # whose weights are no training's business
            found.setdefault(stage_of(layer.name), []).append(layer.name)
    return {stage: tuple(names) for stage, names in found.items()}


def stage_of(layer: str) -> str:
    """Return the name of the stage of a layer, from the layer's name."""
    match = STAGE.match(layer)
    return match[1].replace("_dw_", "_").replace("_pw_", "_") if match else layer  # MobileNet's blocks of two


def free(model: keras.Model, what: str) -> tuple[str, ...]:
    """Let some stages of a backbone train and freeze those before them; return the names of those that train.

    The statistics of a frozen batch normalisation stay as they are: it normalises by them while the rest trains.

    Args:
        model: The network.
        what: "head", "last_stage" (with the head), "all", or the name of a stage, with all behind it.

    Raises:
        UserError: There is no such stage.
    """
    found = named(model)
    names = list(found)
    first = {"all": 0, "head": len(names) - 1, "last_stage": max(len(names) - 2, 0)}.get(what)
    if first is None:
        if what not in found:
            raise unknown("stage", what, ("head", "last_stage", "all", *names))
        first = names.index(what)
    chosen = {layer for stage in names[first:] for layer in found[stage]}
    for layer in model.layers:
        if layer.weights and not isinstance(layer, layers.Normalization):
            layer.trainable = layer.name in chosen
    return tuple(names[first:])


def rate_factors(model: keras.Model, text: str) -> dict[str, float]:
    """Return what the learning rate of each stage is multiplied by.

    Args:
        model: The network.
        text: Empty for none; a number for the factor from each stage to the one before it, the head's being 1; or
            `stage=factor,…`, where a stage that is not named has the factor of the next one behind it that is, or 1.

    Raises:
        UserError: It is neither, or names no stage.
    """
    text = text.strip()
    if not text:
        return {}
    names = list(named(model))
    if "=" not in text:
        factor = _factor(text)
        return {stage: factor ** (len(names) - 1 - place) for place, stage in enumerate(names)}
    given: dict[str, float] = {}
    for part in text.split(","):
        stage, _, value = (piece.strip() for piece in part.partition("="))
        stage = names[-1] if stage == "head" else stage
        if stage not in names:
            raise unknown("stage", stage, ("head", *names))
        given[stage] = _factor(value)
    factors, factor = {}, 1.0
    for stage in reversed(names):
        factors[stage] = factor = given.get(stage, factor)
    return factors


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 <= factor <= 1000:
        raise UserError(f"rate factor {text!r}; expected a number from 0 to 1000, or stage=factor,...")
    return factor
