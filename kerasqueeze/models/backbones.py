"""SqueezeNet and its peers from `keras.applications`, all with one signature: pixels in, logits out.

Sources: keras/src/applications/mobilenet_v2.py, resnet.py and efficientnet.py; imagenet_utils.py for preprocessing.
"""

import functools
import warnings
from collections.abc import Sequence
from os import PathLike, fspath

import keras
from keras import applications, layers

from kerasqueeze.errors import UserError, unknown
from kerasqueeze.models import names, squeezenet
from kerasqueeze.models.arguments import checked_head, checked_size
from kerasqueeze.models.fast.by_layer import ByLayerModel
from kerasqueeze.models.layers import CaffePreprocessing, full_precision, require_channels_last
from kerasqueeze.models.squeezenet import MEAN, STD
from kerasqueeze.models.weights import Weights, read_weights

SQUEEZENETS = {
    name: functools.partial(getattr(squeezenet, builder), bypass=bypass, name=name)
    for name, (builder, bypass) in names.SQUEEZENETS.items()
}
PEERS = names.PEERS
NAMES = names.NAMES


def build(
    name: str,
    *,
    classes: int,
    image_size: int | None,
    weights: str | PathLike[str] | None = None,
    dropout: float = 0.5,
    head: Sequence[int] | None = None,
    width: float = 1.0,
) -> keras.Model:
    """Build a classifier that takes RGB pixels 0–255, float or uint8, (N, S, S, 3), and returns logits (N, classes).

    The initial weights of its new layers depend on `keras.utils.set_random_seed` alone.

    Args:
        name: One of `NAMES`.
        classes: Number of classes.
        image_size: Height and width S of the images in pixels, at least 32; None for any.
        weights: None for a new initialisation, "imagenet", or the path of a file: for a SqueezeNet as `SqueezeNet1_1`
            takes it, for a peer the file without top that `keras.applications` downloads.
        dropout: Share of the features that training drops before the last layer, in [0, 1).
        head: None for a newly initialised last layer; or for each class the number of the ImageNet class whose scores
            it begins with, taken from the weights' own last layer. SqueezeNets only.
        width: Multiplier of the number of filters, of networks that have one; weights belong to one width.

    Raises:
        UserError: An argument is not as described, or the weights cannot be had or do not fit.
    """
    if name not in NAMES:
        raise unknown("model", name, NAMES)
    image_size = checked_size(image_size)
    check_width(name, width)
    cut = None if head is None else _with_head_of(head, name, classes, weights)
    if name in SQUEEZENETS:
        return SQUEEZENETS[name](
            weights=cut or weights,
            input_shape=(image_size, image_size, 3),
            classes=classes,
            classifier_activation=None,
            dropout=dropout,
        )
    require_channels_last()
    classes, dropout = checked_head(classes, dropout)
    if not isinstance(weights, str | PathLike | None):
        raise UserError(f"weights has to be None, 'imagenet' or the path of a file. Received: weights={weights!r}")
    if PEERS[name].hidden and image_size is None:
        raise UserError(f"{name} has fully connected layers and needs images of one size; give image_size alone")
    inputs = keras.Input((image_size, image_size, 3))
    features = _features(name, _preprocessed(inputs, name, weights), weights, width)
    x = _hidden(features, PEERS[name].hidden, dropout)
    initializer = keras.initializers.GlorotUniform()  # before Dropout, which draws a seed unless its rate is 0
    x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(classes, kernel_initializer=initializer, dtype=full_precision(), name="predictions")(x)
    return ByLayerModel(inputs, logits, name=name)


def _hidden(features, units: Sequence[int], dropout: float):
    """Add what stands between the features and the last dropout: the average, or fully connected layers."""
    if not units:
        return layers.GlobalAveragePooling2D(name="avg_pool")(features)
    x = layers.Flatten(name="flatten")(features)
    for number, count in enumerate(units, start=1):
        x = layers.Dropout(dropout, name=f"dropout_{number}")(x) if number > 1 else x
        x = layers.Dense(count, activation="relu", name=f"predictions_fc{number}")(x)
    return x


def check_width(name: str, width: float) -> None:
    """Refuse a width multiplier that a network has not.

    Raises:
        UserError: It is another than 1 of a network without one, or no number above 0.
    """
    if not 0 < width <= 4:
        raise UserError(f"width={width!r} is out of range; expected a number above 0, at most 4")
    if width != 1 and not (name in PEERS and PEERS[name].has_width):
        having = ", ".join(peer for peer, one in PEERS.items() if one.has_width)
        raise UserError(f"{name} has no width multiplier; use width=1, or one of {having}. Received: width={width!r}")


def _with_head_of(head: Sequence[int], name: str, classes: int, weights) -> Weights:
    """Read weights and cut their head down."""
    if name not in SQUEEZENETS:
        raise UserError(f"only a SqueezeNet's head can be cut down, {name} has none here; choose head='fresh'")
    if weights is None or len(head) != classes:
        raise UserError(
            f"a head cut down from ImageNet's needs weights and one ImageNet class for each of {classes} classes. "
            f"Received: weights={weights!r}, {len(head)} classes"
        )
    return read_weights(weights, _version(name)).sliced(head)


def check_weights(name: str, weights: str | PathLike[str] | None) -> None:
    """Refuse early what `build` would refuse, for a SqueezeNet: weights that cannot be had or read.

    Raises:
        UserError: In the words of `build`.
    """
    if name in SQUEEZENETS and weights is not None:
        if names.SQUEEZENETS[name][1] != "none":
            raise UserError(
                f"there are no weights for {name}; pass weights='none'. Received: weights={fspath(weights)!r}"
            )
        read_weights(weights, _version(name))


def _version(name: str) -> str:
    return names.SQUEEZENETS[name][0].removeprefix("SqueezeNet").replace("_", ".")


def _preprocessed(x, name: str, weights):
    """Do what the peer's own `preprocess_input` does, with layers."""
    if PEERS[name].pixels == "tf":
        return layers.Rescaling(1 / 127.5, -1.0, dtype=full_precision())(x)
    if PEERS[name].pixels == "caffe":
        return CaffePreprocessing(dtype=full_precision())(x)
    if weights in (None, "imagenet"):
        return x  # EfficientNet normalises its input itself
    # Its weights need a second division by the root of the deviation, which it adds only for weights="imagenet". For
    # the same weights from a file it is done here, ahead of its own x / 255 - mean, so that both come out equal.
    scale = [s**-0.5 for s in STD]
    offset = [255 * m * (1 - s) for m, s in zip(MEAN, scale, strict=True)]
    return layers.Rescaling(scale, offset, dtype=full_precision())(x)


def _features(name: str, x, weights, width: float):
    """Add the peer's layers up to its last feature map and return that."""
    builder = getattr(applications, PEERS[name].builder)
    if PEERS[name].has_width:
        builder = functools.partial(builder, alpha=width)
    peer = functools.partial(builder, include_top=False, input_tensor=x, input_shape=tuple(x.shape[1:]))
    if weights is None:
        return peer(weights=None).output
    try:
        with warnings.catch_warnings():  # MobileNetV2 has weights for 224 pixels and uses them for any size
            warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square", UserWarning)
            return peer(weights=fspath(weights)).output
    except Exception as error:  # Keras' download raises a bare Exception, h5py nearly anything
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"cannot load the weights {fspath(weights)!r} into {name} ({reason}); pass the path of the file "
            f"without top that keras.applications downloads, or weights=None"
        ) from None
