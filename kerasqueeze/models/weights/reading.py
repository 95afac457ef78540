"""Pretrained weights: read from any of the formats, checked as a whole, then assigned.

Weight files are not trusted: nothing that one of them holds is unpickled, deserialised or run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import keras
import numpy as np

from kerasqueeze.errors import UserError
from kerasqueeze.models.weights.keras_files import h5_layers, open_keras, read_h5
from kerasqueeze.models.weights.torch_weights import fetch, read_torch_weights, torch_names

HEAD, HEAD_INPUTS = "conv10", 512


@dataclass(frozen=True)
class Weights:
    """SqueezeNet's weights as a file has them.

    Attributes:
        path: The file.
        tensors: Arrays by the Keras model's names, as `fire2_squeeze1x1/kernel`, in Keras' layout.
        names: All names that a whole set has, each with what the file calls it, for the messages.
        head_has_relu: Whether a ReLU follows their last convolution; None if the file does not tell.
    """

    path: Path
    tensors: dict[str, np.ndarray]
    names: dict[str, str]
    head_has_relu: bool | None

    @property
    def classes(self) -> int:
        """Number of classes that their head scores; 0 if they have no head."""
        bias = self.tensors.get(f"{HEAD}/bias")
        return 0 if bias is None else bias.size

    def sliced(self, classes: Sequence[int]) -> "Weights":
        """Return the same weights with the head cut down to some of its classes, in the order given.

        Raises:
            UserError: The head does not have these classes.
        """
        if not classes or not 0 <= min(classes) <= max(classes) < self.classes:
            raise UserError(
                f"{self.path} scores {self.classes} classes; the head cannot be cut down to others; use a file with "
                "ImageNet's 1000 classes, or a fresh head"
            )
        cut = {name: self.tensors[name][..., list(classes)] for name in (f"{HEAD}/kernel", f"{HEAD}/bias")}
        return replace(self, tensors={**self.tensors, **cut}, head_has_relu=self.head_has_relu is not False)


def read_weights(weights: "str | PathLike[str] | Weights", version: str) -> Weights:
    """Read weights for SqueezeNet "1.0" or "1.1".

    Args:
        weights: "imagenet", or the path of a `.pth`, `.weights.h5`, `.h5` or `.keras` file; `Weights` come back as they
            are.
        version: The variant they are for.

    Raises:
        UserError: There is no such file, or it is not a whole file of these formats.
    """
    if isinstance(weights, Weights):
        return weights
    if not isinstance(weights, str | PathLike):
        raise UserError(f"weights has to be None, 'imagenet' or the path of a file. Received: weights={weights!r}")
    path = fetch(version) if weights == "imagenet" else Path(weights)
    if not path.is_file():
        raise UserError(f"weights has to be None, 'imagenet' or the path of a file. Received: weights={str(weights)!r}")
    names = torch_names(version)
    if path.suffix == ".pth":
        return Weights(path, read_torch_weights(path, version), names, head_has_relu=True)
    names = {name: name for name in names}
    if path.name.endswith(".weights.h5"):
        return Weights(path, read_h5(path, path, names), names, head_has_relu=None)
    if path.suffix == ".keras":
        h5, layers = open_keras(path)
        return Weights(path, read_h5(h5, path, names), names, head_has_relu="relu10" in layers)
    if path.suffix == ".h5":
        return Weights(path, read_h5(path, path, names), names, head_has_relu="relu10" in h5_layers(path))
    raise UserError(f"weights has to be a .pth, .weights.h5, .h5 or .keras file. Received: weights={str(weights)!r}")


def assign(model: keras.Model, weights: Weights, *, head: bool) -> None:
    """Set a SqueezeNet's weights, after every one of them was checked.

    Args:
        model: The model.
        weights: What to set them to.
        head: Whether conv10 is set too. If not it keeps its weights, or the model has none.

    Raises:
        UserError: A tensor is missing, misshapen or not of finite floating-point numbers; no weight has changed then.
    """
    variables = {}
    for name in weights.names:
        layer, kind = name.split("/")
        if layer != HEAD or head:
            variables[name] = getattr(model.get_layer(layer), kind)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if not head and weights.classes:
        shapes |= {f"{HEAD}/kernel": (1, 1, HEAD_INPUTS, weights.classes), f"{HEAD}/bias": (weights.classes,)}
    for name, shape in shapes.items():
        _check(name, shape, weights)
    for name, variable in variables.items():
        variable.assign(weights.tensors[name])


def _check(name: str, shape: tuple[int, ...], weights: Weights) -> None:
    """Raise unless the tensor is there, has the shape and holds finite floating-point numbers."""
    tensor, called = weights.tensors.get(name), repr(weights.names[name])
    if tensor is None:
        raise UserError(f"{weights.path} has no tensor {called}; is it for another network?")
    if tensor.shape != shape:
        raise UserError(
            f"{weights.path}: the tensor {called} is {tensor.shape} in Keras' layout, expected {shape}; is it for the "
            f"other SqueezeNet?"
        )
    if tensor.dtype.kind in "iub":
        raise UserError(f"{weights.path}: the tensor {called} is {tensor.dtype}, expected a floating-point type")
    if not np.isfinite(tensor.astype(np.float64)).all():
        raise UserError(f"{weights.path}: the tensor {called} has values that are not finite; the file is damaged")
