"""What the arguments of the models' builders have to be; numbers may be Python's or NumPy's."""

import numbers

import keras

from kerasqueeze.errors import UserError, unknown

MIN_SIZE = 32
"""Pixels of the smallest side of an image."""


def is_integer(value) -> bool:
    """Tell whether a value is a whole number, Python's or NumPy's, and no truth value."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def checked_head(classes, dropout) -> tuple[int, float]:
    """Return both as Python's own numbers; raise `UserError` unless `classes` ≥ 1 and `dropout` is in [0, 1)."""
    if not is_integer(classes) or classes < 1:
        raise UserError(f"classes has to be an integer of at least 1. Received: classes={classes!r}")
    if isinstance(dropout, bool) or not isinstance(dropout, numbers.Real) or not 0 <= float(dropout) < 1:
        raise UserError(f"dropout has to be a number in [0, 1). Received: dropout={dropout!r}")
    return int(classes), float(dropout)


def check_output(pooling, classifier_activation) -> None:
    """Raise `UserError` unless Keras knows the activation and the models the pooling."""
    if pooling not in (None, "avg", "max"):
        raise UserError(f"pooling has to be None, 'avg' or 'max'. Received: pooling={pooling!r}")
    try:
        keras.activations.get(classifier_activation)
    except (ValueError, TypeError):
        raise unknown("classifier_activation", classifier_activation, ("None", "sigmoid", "softmax")) from None


def checked_size(image_size) -> int | None:
    """Return the side of square images, in pixels, or None for any; raise `UserError` if it is neither."""
    if image_size is None:
        return None
    if not is_integer(image_size) or image_size < MIN_SIZE:
        raise UserError(
            f"image_size has to be an integer of at least {MIN_SIZE}, or None for any. "
            f"Received: image_size={image_size!r}"
        )
    return int(image_size)


def checked_shape(argument: str, shape) -> tuple[int | None, int | None, int]:
    """Return (height, width, channels) as Python's own numbers, the sides None for any; or raise `UserError`."""
    if isinstance(shape, tuple | list) and len(shape) == 3:
        height, width, channels = (int(n) if is_integer(n) else n for n in shape)
        sides_fit = all(n is None or (type(n) is int and n >= MIN_SIZE) for n in (height, width))
        if sides_fit and type(channels) is int and channels >= 1:
            return height, width, channels
    raise UserError(
        f"{argument} has to be (height, width, channels) with sides of at least {MIN_SIZE}, or None for any. "
        f"Received: {argument}={shape!r}"
    )
