"""Does an exported file compute what Keras does? On the same pixels, by the file's own runtime."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kerasqueeze.deploy.classifier import Classifier
from kerasqueeze.errors import UserError

LIMITS = {"none": 1e-3, "float16": 0.02, "int8": 0.2, "int6": 0.4, "int5": 0.6}
"""By quantisation the greatest root mean square of the logits' differences, as a share of the logits' own deviation.

Not quantised, the greatest single difference counts.
"""
LEAST_SECONDS = 0.5
SAMPLES = 32


@dataclass(frozen=True)
class Agreement:
    """How an exported file compares with Keras on the same pixels.

    Attributes:
        photos: How many images were compared.
        largest: The largest difference of a logit.
        relative: The root mean square of the differences over the deviation of Keras' logits around their mean.
        same_class: Share of images for which both name the same class.
        images_per_second: Of the exported file, in its own runtime.
        keras_images_per_second: Of Keras, side by side.
    """

    photos: int
    largest: float
    relative: float
    same_class: float
    images_per_second: float
    keras_images_per_second: float

    def __str__(self) -> str:
        return (
            f"against Keras on {self.photos} images: largest difference of a logit {self.largest:.2g} "
            f"({100 * self.relative:.2g} % of their spread), same class for {100 * self.same_class:.1f} %, "
            f"{self.images_per_second:.0f} images/s (Keras: {self.keras_images_per_second:.0f})"
        )


def compare(reference: Classifier, exported: Classifier, images: np.ndarray) -> Agreement:
    """Compute uint8 images (N, S, S, 3) with both, and time both.

    Raises:
        UserError: The exported file gives other classes, or logits that are not finite.
    """
    if exported.card != reference.card:
        raise UserError("the exported file does not say of itself what the network's model card says")
    expected, keras_rate = _timed(reference.logits, images)
    found, rate = _timed(exported.logits, images)
    if found.shape != expected.shape or not np.isfinite(found).all():
        raise UserError(
            f"the exported file gives logits of shape {found.shape}, not all finite; Keras {expected.shape}"
        )
    difference = found.astype(np.float64) - expected
    centred = expected.astype(np.float64) - expected.mean(axis=1, keepdims=True)
    return Agreement(
        photos=len(images),
        largest=float(np.abs(difference).max()),
        relative=float(np.sqrt((difference**2).mean()) / max(np.sqrt((centred**2).mean()), 1e-12)),
        same_class=float((found.argmax(1) == expected.argmax(1)).mean()),
        images_per_second=rate,
        keras_images_per_second=keras_rate,
    )


def require(agreement: Agreement, quantize: str) -> None:
    """Refuse a file that disagrees with Keras.

    Raises:
        UserError: The differences are larger than `LIMITS`.
    """
    limit = LIMITS[quantize]
    if not agreement.relative <= limit or (quantize == "none" and not agreement.largest <= limit * 10):
        raise UserError(
            f"the exported file disagrees with Keras, so it is not kept: {agreement}; expected differences of at most "
            f"{100 * limit:g} % of the spread"
        )


def sample_images(size: int, count: int = SAMPLES) -> np.ndarray:
    """Return uint8 images (count, size, size, 3) cut out of the two photos that scikit-learn ships."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng(0)
    found = []
    for number in range(count):
        photo = Image.fromarray(load_sample_images().images[number % 2])
        side = int(random.integers(photo.height // 3, photo.height))
        left, top = (int(random.integers(0, end - side)) for end in photo.size)
        found.append(np.asarray(photo.crop((left, top, left + side, top + side)).resize((size, size))))
    return np.stack(found)


def _timed(logits: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> tuple[np.ndarray, float]:
    """Return logits and images a second, the first call, which may compile, left out."""
    found = logits(images)
    began, times = time.perf_counter(), 0
    while time.perf_counter() - began < LEAST_SECONDS:
        logits(images)
        times += 1
    return found, times * len(images) / (time.perf_counter() - began)
