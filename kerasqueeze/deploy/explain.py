"""Where a network sees what it says: class-activation maps, Grad-CAM, and pictures of them over the photo.

SqueezeNet's last convolution scores every place of the map and the logit is the mean of the scores, so its map is no
approximation: it says how much each place adds to the class. Other networks get Grad-CAM, which weights the last
feature maps by the mean gradient of the class's logit.

Sources: Zhou et al., "Learning Deep Features for Discriminative Localization" (arXiv 1512.04150); Selvaraju et al.,
"Grad-CAM" (arXiv 1610.02391), section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kerasqueeze.deploy.classifier import Classifier, top
from kerasqueeze.errors import UserError

EXACT, GRADIENT = "class activation map", "Grad-CAM"
_COLOURS = np.array(  # from dark violet over red to light yellow, lightness rising evenly
    [(59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191)], np.float64
)
_MOST_OPAQUE = 0.75


@dataclass(frozen=True)
class Explanation:
    """What speaks for some classes, place by place.

    Attributes:
        classes: The classes' numbers.
        maps: float32 (K, H, W), one for each of them; above 0 what speaks for the class.
        probabilities: Of all classes (C,), calibrated.
        kind: `EXACT` or `GRADIENT`.
    """

    classes: tuple[int, ...]
    maps: np.ndarray
    probabilities: np.ndarray
    kind: str


def explain(classifier: Classifier, image: np.ndarray, classes: Sequence[int] | int = 5) -> Explanation:
    """Explain what a network says of one image.

    Args:
        classifier: The network.
        image: uint8 RGB (S, S, 3), S being `classifier.card.pixels`.
        classes: The classes' numbers, or how many of the most probable ones.

    Raises:
        UserError: The network's head is another one and its runtime has no gradients.
    """
    if classifier.has_maps:
        logits, maps = classifier.maps(image[None])
        kind = EXACT
    else:
        logits, maps, kind = classifier.logits(image[None]), None, GRADIENT
    probabilities = classifier.calibrated(logits)[0]
    most_probable = top(probabilities, classes) if isinstance(classes, int) else classes
    chosen = tuple(int(number) for number in most_probable)
    shown = grad_cam(classifier, image, chosen) if maps is None else np.moveaxis(maps[0][..., list(chosen)], -1, 0)
    return Explanation(chosen, shown, probabilities, kind)


def grad_cam(classifier: Classifier, image: np.ndarray, classes: Sequence[int], *, relu: bool = True) -> np.ndarray:
    """Return Grad-CAM's maps (K, H, W) of one image for some classes; `relu` keeps only what speaks for them.

    Raises:
        UserError: The network is not computed by Keras, or has no feature map.
    """
    network = getattr(classifier, "network", None)
    if network is None:
        raise UserError(f"{classifier.name} gives no class maps and no gradients; explain it through its .keras file")
    import jax
    import keras

    spatial = [layer for layer in network.layers if len(getattr(layer.output, "shape", ())) == 4 and layer.weights]
    if not spatial:
        raise UserError(f"{classifier.name} has no layer with a map of features")
    after = network.layers[network.layers.index(spatial[-1]) :]
    last = next(layer for layer in reversed(after) if len(getattr(layer.output, "shape", ())) == 4)
    front = keras.Model(network.inputs[0], last.output)
    tail = keras.Model(last.output, network.outputs[0])
    features = jax.numpy.asarray(front(image[None], training=False))
    weights = [
        [variable.value for variable in kind] for kind in (tail.trainable_variables, tail.non_trainable_variables)
    ]

    def logit(values, number):
        outputs, _ = tail.stateless_call(*weights, values, training=False)
        return jax.tree.leaves(outputs)[0][0, number]

    gradient = jax.vmap(jax.grad(logit), in_axes=(None, 0))(features, jax.numpy.asarray(classes))
    importance = gradient.mean(axis=(2, 3))  # (K, 1, channels)
    maps = np.asarray((features * importance[:, :, None, None, :])[:, 0].sum(axis=-1))
    return np.maximum(maps, 0) if relu else maps


def heat(place: np.ndarray, size: int, highest: float | None = None) -> np.ndarray:
    """Return a map as a picture to lay over the photo: uint8 RGBA (size, size, 4), clear where nothing speaks for it.

    Args:
        place: (H, W).
        size: Height and width of the picture in pixels.
        highest: What is drawn strongest; default the map's highest value.
    """
    highest = float(place.max()) if highest is None else highest
    share = np.clip(place / highest, 0, 1) if highest > 0 else np.zeros_like(place)
    grey = Image.fromarray(share.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
    share = np.clip(np.asarray(grey, np.float64), 0, 1)
    steps = np.linspace(0, 1, len(_COLOURS))
    colours = [np.interp(share, steps, _COLOURS[:, channel]) for channel in range(3)]
    return np.stack([*colours, 255 * _MOST_OPAQUE * np.sqrt(share)], axis=-1).round().astype(np.uint8)


def overlay(pixels: np.ndarray, place: np.ndarray, highest: float | None = None) -> np.ndarray:
    """Return uint8 RGB pixels (S, S, 3) with a map (H, W) laid over them."""
    photo = Image.fromarray(pixels).convert("RGBA")
    photo.alpha_composite(Image.fromarray(heat(place, len(pixels), highest)))
    return np.asarray(photo.convert("RGB"))
