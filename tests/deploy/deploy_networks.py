"""Small networks with random weights, and images for them."""

import keras
import numpy as np

from kerasqueeze.deploy.runtimes import keras_runtime
from kerasqueeze.models import backbones
from kerasqueeze.models.card import Card

CLASSES = ("n02085620-Chihuahua", "n02085782-Japanese_spaniel", "n02085936-Maltese_dog", "café", "a|b")


def classifier(name="squeezenet1_1", size=64, classes=CLASSES, path=None, **more) -> keras_runtime.KerasClassifier:
    """Return a network with random weights whose logits are as far apart as those of a trained one."""
    keras.utils.set_random_seed(1)
    network = backbones.build(name, classes=len(classes), image_size=size, **more)
    head = network.layers[[bool(layer.weights) for layer in network.layers].index(True) :]
    last = [layer for layer in head if layer.weights][-1]
    last.kernel.assign(np.asarray(last.kernel) * 40)
    about = Card(classes, size, temperature=1.5, origin={"experiment": {"name": "tiny"}, "seed": 3})
    return keras_runtime.KerasClassifier(network, about, path)


def images(count: int, size: int = 64, seed: int = 0) -> np.ndarray:
    """Return uint8 images of blobs, bright and dark."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, size // 8, size // 8, 3))
    fine = np.kron(coarse, np.ones((1, 8, 8, 1))) + random.normal(0, 20, (count, size, size, 3))
    return np.clip(fine, 0, 255).astype(np.uint8)
