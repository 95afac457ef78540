"""The names by which Keras finds the model classes of this package again in a file."""

from typing import TypeVar

import keras

T = TypeVar("T", bound=type)


def registered(kind: T) -> T:
    """Register a class of models: as `kerasqueeze>NAME` for `.keras` files, as NAME for `.h5`, which keep no more."""
    keras.saving.get_custom_objects()[kind.__name__] = kind
    return keras.saving.register_keras_serializable("kerasqueeze")(kind)
