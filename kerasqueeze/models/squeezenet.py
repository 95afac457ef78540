"""SqueezeNet 1.0 and 1.1 as functional Keras models.

Source: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size"
(arXiv 1602.07360), sections 3 and 4; layer for layer as in torchvision/models/squeezenet.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike

import keras
from keras import layers

from kerasqueeze.errors import UserError, unknown
from kerasqueeze.models.arguments import check_output, checked_head, checked_shape, is_integer
from kerasqueeze.models.fast.network import LoweredModel
from kerasqueeze.models.imagenet_classes import imagenet_classes
from kerasqueeze.models.layers import CeilMaxPooling2D, HeUniform, full_precision, require_channels_last
from kerasqueeze.models.weights import Weights, assign, read_weights

DEFAULT_SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's, for pixels scaled to 0–1
FIRES = {  # filters of squeeze1x1, expand1x1 and expand3x3; the same in both variants
    "fire2": (16, 64, 64),
    "fire3": (16, 64, 64),
    "fire4": (32, 128, 128),
    "fire5": (32, 128, 128),
    "fire6": (48, 192, 192),
    "fire7": (48, 192, 192),
    "fire8": (64, 256, 256),
    "fire9": (64, 256, 256),
}


SIMPLE_BYPASS = ("fire3", "fire5", "fire7", "fire9")
"""The fire modules whose output has as many channels as their input."""
BYPASSES = ("none", "simple", "complex")


@dataclass(frozen=True)
class Variant:
    """What tells SqueezeNet 1.0 from 1.1: the first convolution and the fires that a pool follows."""

    filters: int
    kernel_size: int
    pooled: tuple[str, ...]


VARIANTS = {"1.0": Variant(96, 7, ("fire4", "fire8")), "1.1": Variant(64, 3, ("fire3", "fire5"))}


def fire_module(x, squeeze: int, expand1x1: int, expand3x3: int, name: str):
    """Add a fire module: a 1×1 squeeze, then 1×1 and 3×3 expansions side by side, each with a ReLU.

    Args:
        x: A tensor (N, H, W, C).
        squeeze: Filters of the 1×1 convolution that both expansions read.
        expand1x1: Filters of the 1×1 expansion.
        expand3x3: Filters of the 3×3 expansion, zero-padded to keep H and W.
        name: Prefix of the layers' names: `<name>_squeeze1x1`, `_expand1x1`, `_expand3x3` and `_concat`.

    Returns:
        A tensor (N, H, W, expand1x1 + expand3x3).

    Source: section 3.1 and figure 1 of the paper.
    """
    squeezed = _conv(squeeze, 1, name=f"{name}_squeeze1x1")(x)
    left = _conv(expand1x1, 1, name=f"{name}_expand1x1")(squeezed)
    right = _conv(expand3x3, 3, padding="same", name=f"{name}_expand3x3")(squeezed)
    return layers.Concatenate(name=f"{name}_concat")([left, right])


def _conv(filters: int, kernel_size: int, **kwargs):
    return layers.Conv2D(filters, kernel_size, activation="relu", kernel_initializer=HeUniform(), **kwargs)


def _features(x, variant: Variant, bypass: str):
    """Add everything up to the output of fire9: (N, H, W, 3) normalised pixels to (N, H', W', 512)."""
    x = _conv(variant.filters, variant.kernel_size, strides=2, name="conv1")(x)
    x = CeilMaxPooling2D(name="pool1")(x)
    for name, filters in FIRES.items():
        module = fire_module(x, *filters, name=name)
        if bypass != "none" and name in SIMPLE_BYPASS:
            module = layers.Add(name=f"{name}_add")([module, x])
        elif bypass == "complex":
            around = _conv(filters[1] + filters[2], 1, name=f"{name}_bypass")(x)
            module = layers.Add(name=f"{name}_add")([module, around])
        x = module
        if name in variant.pooled:
            x = CeilMaxPooling2D(name=name.replace("fire", "pool"))(x)
    return x


def _head(x, classes: int, *, relu: bool, dropout: float, classifier_activation):
    """Add dropout, the 1×1 convolution that scores each place of the map, and the average over all places."""
    # Dropout draws a seed unless its rate is 0. Drawn before it, the head's own seed does not depend on the rate.
    initializer = keras.initializers.RandomNormal(0.0, 0.01)
    x = layers.Dropout(dropout, name="drop9")(x)
    x = layers.Conv2D(classes, 1, kernel_initializer=initializer, name="conv10")(x)
    if relu:
        x = layers.ReLU(name="relu10")(x)
    x = layers.GlobalAveragePooling2D(dtype=full_precision(), name="avg_pool")(x)
    return layers.Activation(classifier_activation, dtype=full_precision(), name="predictions")(x)


def _head_has_relu(weights: Weights | None, classes: int) -> bool:
    """Tell whether a ReLU follows conv10, the one place where that is decided.

    torchvision's SqueezeNet has one, so its weights need it; a newly initialised head can lose logits to it for good.

    - Weights with `classes` classes bring their own head: a ReLU if theirs has one; a `.weights.h5` file does not tell,
      and counts as torchvision's if it has 1000 classes.
    - Weights with another number of classes leave the head new: no ReLU.
    - No weights: torchvision's head if there are 1000 classes, else a new one.
    """
    if weights is not None and weights.classes != classes:
        return False
    if weights is not None and weights.head_has_relu is not None:
        return weights.head_has_relu
    return classes == 1000


def _normalized(x):
    """Scale RGB pixels 0–255 as torchvision does; images of other channels stay as they are."""
    if x.shape[-1] != 3:
        return x
    scale, offset = [1 / (255 * s) for s in STD], [-m / s for m, s in zip(MEAN, STD, strict=True)]
    return layers.Rescaling(scale, offset, dtype=full_precision(), name="normalization")(x)


def _read_weights(weights, version: str, channels: int) -> Weights:
    """Read weights for images of so many channels."""
    found = 3
    if weights != "imagenet":  # which need not be fetched to know
        weights = read_weights(weights, version)
        kernel = weights.tensors.get("conv1/kernel")
        found = channels if kernel is None or kernel.ndim != 4 else kernel.shape[2]  # what is amiss, `assign` says
    if found != channels:
        raise UserError(
            f"these weights are for images of {found} channels, not {channels}; pass weights=None for a new "
            f"initialisation. Received: weights={str(getattr(weights, 'path', weights))!r}"
        )
    return read_weights(weights, version)


def _squeezenet(
    version: str,
    include_top,
    weights,
    input_tensor,
    input_shape,
    pooling,
    classes,
    classifier_activation,
    include_preprocessing,
    dropout,
    name,
    bypass,
) -> keras.Model:
    require_channels_last()
    if bypass not in BYPASSES:
        raise unknown("bypass", bypass, BYPASSES)
    if bypass != "none" and weights is not None:
        raise UserError(
            f"there are no weights for a SqueezeNet with a {bypass} bypass; pass weights=None. Received: "
            f"weights={str(getattr(weights, 'path', weights))!r}"
        )
    classes, dropout = checked_head(classes, dropout)
    check_output(pooling, classifier_activation)
    inputs = _input(input_tensor, input_shape, include_top)
    loaded = None if weights is None else _read_weights(weights, version, inputs.shape[-1])

    x = _normalized(inputs) if include_preprocessing else inputs
    x = _features(x, VARIANTS[version], bypass)
    if include_top:
        relu = _head_has_relu(loaded, classes)
        x = _head(x, classes, relu=relu, dropout=dropout, classifier_activation=classifier_activation)
    elif pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)

    model = LoweredModel(inputs if input_tensor is None else keras.utils.get_source_inputs(input_tensor), x, name=name)
    if loaded is not None:
        assign(model, loaded, head=include_top and loaded.classes == classes)
    return model


def SqueezeNet1_0(
    include_top: bool = True,
    weights: str | PathLike[str] | Weights | None = "imagenet",
    input_tensor=None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | Callable | None = "softmax",
    include_preprocessing: bool = True,
    dropout: float = 0.5,
    name: str = "squeezenet1_0",
    bypass: str = "none",
) -> keras.Model:
    """Build SqueezeNet 1.0: 1,248,424 parameters with 1000 classes; the paper's network, 7×7 first convolution.

    All arguments as for `SqueezeNet1_1`, whose docstring describes them.
    """
    head = (pooling, classes, classifier_activation)
    return _squeezenet(
        "1.0", include_top, weights, input_tensor, input_shape, *head, include_preprocessing, dropout, name, bypass
    )


def SqueezeNet1_1(
    include_top: bool = True,
    weights: str | PathLike[str] | Weights | None = "imagenet",
    input_tensor=None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | Callable | None = "softmax",
    include_preprocessing: bool = True,
    dropout: float = 0.5,
    name: str = "squeezenet1_1",
    bypass: str = "none",
) -> keras.Model:
    """Build SqueezeNet 1.1: 1,235,496 parameters with 1000 classes, 2.4 times less computation than 1.0.

    The model takes pixels 0–255, float or uint8, (N, H, W, 3) in RGB with H, W ≥ 32, and returns (N, classes).

    Args:
        include_top: Whether to add dropout, conv10 and the average to probabilities.
        weights: None for a new initialisation (He-uniform; conv10 normal with deviation 0.01; biases 0); "imagenet" for
            torchvision's weights, downloaded once; or the path of a `.pth` state dict in torchvision's layout, of a
            `.weights.h5`, or of a whole model's `.keras` or `.h5` file; or `Weights` as read. Weights with another
            number of classes leave conv10 new.
        input_tensor: A Keras tensor to build on, in place of a new input.
        input_shape: (H, W, C), sides of at least 32 or None for any size; C other than 3 for new weights, or those of
            such a network. Default (224, 224, 3) with the top, any size without.
        pooling: Without the top, what to return: None for (N, H', W', 512), "avg" or "max" over H' and W' for (N, 512).
        classes: Number of classes of the top.
        classifier_activation: Activation of the top; None for logits.
        include_preprocessing: Whether the model normalises the pixels itself. If not, it takes pixels / 255 less
            torchvision's mean, divided by its standard deviation (`MEAN` and `STD`). Images that do not have three
            channels are never normalised, for there are no such figures: scale them to about mean 0 and deviation 1.
        dropout: Share of fire9's outputs that training drops, in [0, 1).
        name: The model's name.
        bypass: "simple" adds the input of fire3, 5, 7 and 9 to their output, without further parameters; "complex" that
            of the others as well, through a 1×1 convolution with a ReLU, as all convolutions here have (341,248 more
            parameters in SqueezeNet 1.0): the paper's section 6. Of new weights alone.

    Raises:
        UserError: An argument is not as described, or the weights cannot be had or do not fit.

    Source: github.com/forresti/SqueezeNet, SqueezeNet_v1.1; torchvision/models/squeezenet.py.
    """
    head = (pooling, classes, classifier_activation)
    return _squeezenet(
        "1.1", include_top, weights, input_tensor, input_shape, *head, include_preprocessing, dropout, name, bypass
    )


def preprocess_input(x, data_format: str | None = None):
    """Return `x` as it is: the model normalises the pixels itself. Kept for code written for `keras.applications`."""
    del data_format
    return x


def decode_predictions(preds, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Name the most probable ImageNet classes.

    Args:
        preds: Array (N, 1000) of probabilities or logits.
        top: How many classes to return for each image, 1 to 1000.

    Returns:
        For each image a list of (WordNet id, name, score), the highest score first.

    Raises:
        UserError: `preds` does not have 1000 columns, or `top` is out of range.
    """
    scores = keras.ops.convert_to_numpy(preds)
    table = imagenet_classes()
    if scores.ndim != 2 or scores.shape[1] != len(table):
        raise UserError(f"decode_predictions takes an array (N, {len(table)}). Received: shape={scores.shape}")
    if not is_integer(top) or not 1 <= top <= len(table):
        raise UserError(f"top has to be 1 to {len(table)}. Received: top={top!r}")
    return [[(*table[i], float(row[i])) for i in (-row).argsort(kind="stable")[:top]] for row in scores]


def _input(input_tensor, input_shape, include_top: bool):
    """Return the tensor to build on: a new input, or the given one if it is (N, H, W, C)."""
    if input_tensor is not None:
        if not isinstance(input_tensor, keras.KerasTensor):
            raise UserError(f"input_tensor has to be a Keras tensor. Received: a {type(input_tensor).__name__}")
        checked_shape("input_tensor.shape[1:]", tuple(input_tensor.shape[1:]))
        return input_tensor
    if input_shape is None:
        side = DEFAULT_SIZE if include_top else None
        input_shape = (side, side, 3)
    return keras.Input(checked_shape("input_shape", input_shape))
