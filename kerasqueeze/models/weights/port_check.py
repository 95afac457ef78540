"""The proof that the port is right: our predictions against torchvision's.

Two errors are kept apart: the model error, of the logits for the same pixels, and the preprocessing error, of the
pixels made of the same photo file. torchvision's results are stored in `port_references.npz`, which
tests/references/make_references.py writes, for weights drawn from a seed and for real ones; where torchvision is
installed, it is asked as well.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources, util
from pathlib import Path

import keras
import numpy as np

from kerasqueeze.errors import unknown
from kerasqueeze.models.squeezenet import FIRES, VARIANTS, SqueezeNet1_0, SqueezeNet1_1, decode_predictions
from kerasqueeze.models.weights import port_torchvision
from kerasqueeze.models.weights.reading import Weights, assign, read_weights
from kerasqueeze.models.weights.torch_weights import renamed, torch_names

BUILDERS = {"1.0": SqueezeNet1_0, "1.1": SqueezeNet1_1}
SIZES = (64, 97, 128, 160, 193, 224, 227, 256)  # pixels; the pools meet even and odd sides
PHOTOS = ("china.jpg", "flower.jpg")  # scikit-learn's
CROP, RESIZE = 224, 256  # torchvision's transform for SqueezeNet
SAMPLE = (slice(None, None, 7), slice(None, None, 7))  # of a photo's pixels, the part that is stored
LOGIT_LIMIT = 1e-4  # largest error of a logit / largest logit
PIXEL_LIMIT = 1  # grey levels: JPEG decoders may round differently

Decode = Callable[[Path, int, int], np.ndarray]  # (file, size, resize of the shorter side) to uint8 (size, size, 3)


@dataclass(frozen=True)
class Finding:
    """One comparison: of what, how far off it is and how far it may be."""

    what: str
    error: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the error is within its limit."""
        return self.error <= self.limit

    def __str__(self) -> str:
        return f"{'ok' if self.passed else 'FAILED':6}  {self.error:<7.2g} (limit {self.limit:g})  {self.what}"


def check(path: Path, version: str, decode: Decode) -> Iterator[Finding]:
    """Compare the model, the preprocessing and both together with torchvision's.

    Args:
        path: Weights with 1000 classes, a `.pth`, `.weights.h5` or `.keras` file.
        version: The variant they are for, "1.0" or "1.1".
        decode: Turns a photo file into pixels.

    Raises:
        UserError: The version is unknown, or the weights cannot be read or do not fit.
    """
    if version not in BUILDERS:
        raise unknown("variant", version, BUILDERS)
    model = BUILDERS[version](weights=None, input_shape=(None, None, 3), classifier_activation=None)
    for weights in (seeded_weights(version), read_weights(path, version)):
        assign(model, weights, head=True)
        for origin, expected in _torchvision_logits(weights, version):
            for image, logits in expected.items():
                if image.isdecimal():
                    what, pixels = "model error", seeded_pixels(int(image))
                else:
                    what, pixels = "photo file to logits", decode(photo_path(image), CROP, RESIZE)
                error = logit_error(model, pixels, logits)
                yield Finding(f"{what}: {weights.path.name}, {image}, {origin}", error, LOGIT_LIMIT)
    for photo in PHOTOS:
        pixels = decode(photo_path(photo), CROP, RESIZE)
        for origin, ours, theirs in _torchvision_pixels(photo, pixels):
            error = float(np.abs(ours.astype(int) - theirs).max())
            yield Finding(f"preprocessing error in grey levels: {photo}, {origin}", error, PIXEL_LIMIT)


def is_known(path: Path, version: str) -> bool:
    """Tell whether torchvision's results for the weights in a file are stored."""
    return f"{fingerprint(read_weights(path, version))}/{CROP}" in references()


def predictions(path: Path, version: str, photos: Iterable[Path], decode: Decode) -> Iterator[str]:
    """Yield a line for each photo with its five most probable ImageNet classes."""
    model = BUILDERS[version](weights=path)
    for photo in photos:
        (best,) = decode_predictions(model.predict_on_batch(decode(photo, CROP, RESIZE)[None]), top=5)
        yield f"{photo.name}: " + ", ".join(f"{name} {score:.3f}" for _, name, score in best)


def logit_error(model: keras.Model, pixels: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest error of the model's logits for one image, divided by the largest logit."""
    logits = model.predict_on_batch(pixels[None])[0]
    return float(np.abs(logits - expected).max() / np.abs(expected).max())


def seeded_state_dict(version: str) -> dict[str, np.ndarray]:
    """Return weights in torchvision's names and layout, from a generator whose numbers NumPy has frozen."""
    variant, channels = VARIANTS[version], 3
    shapes = {"conv1": (variant.filters, channels, variant.kernel_size, variant.kernel_size)}
    channels = variant.filters
    for fire, (squeeze, expand1x1, expand3x3) in FIRES.items():
        shapes[f"{fire}_squeeze1x1"] = (squeeze, channels, 1, 1)
        shapes[f"{fire}_expand1x1"] = (expand1x1, squeeze, 1, 1)
        shapes[f"{fire}_expand3x3"] = (expand3x3, squeeze, 3, 3)
        channels = expand1x1 + expand3x3
    shapes["conv10"] = (1000, channels, 1, 1)

    random = np.random.RandomState(2016)
    tensors = {}
    for name, torch_name in torch_names(version).items():
        layer, kind = name.split("/")
        shape = shapes[layer] if kind == "kernel" else shapes[layer][:1]
        bound = (6 / np.prod(shape[1:])) ** 0.5 if kind == "kernel" else 0.1  # He-uniform keeps the signal's size
        tensors[torch_name] = random.uniform(-bound, bound, shape).astype(np.float32)
    return tensors


def seeded_weights(version: str) -> Weights:
    """Return the same weights, ported."""
    path = Path("seeded weights")
    return Weights(path, renamed(seeded_state_dict(version), version, path), torch_names(version), head_has_relu=True)


def seeded_pixels(size: int) -> np.ndarray:
    """Return an image of noise, uint8 (size, size, 3)."""
    return np.random.RandomState(size).randint(0, 256, (size, size, 3)).astype(np.uint8)


def fingerprint(weights: Weights) -> str:
    """Return eight hex digits that tell one set of weights from another, whatever file they are in."""
    digest = hashlib.sha256()
    for name in weights.names:
        digest.update(np.ascontiguousarray(weights.tensors[name], np.float32).tobytes())
    return digest.hexdigest()[:8]


def photo_path(photo: str) -> Path:
    """Return the path of one of `PHOTOS`."""
    return Path(str(resources.files("sklearn.datasets.images").joinpath(photo)))


@functools.cache
def references() -> Mapping[str, np.ndarray]:
    """Return what torchvision computed: `<fingerprint>/<size or photo>` logits, `pixels/<photo>` samples."""
    with (
        resources.as_file(resources.files("kerasqueeze.models.weights").joinpath("port_references.npz")) as path,
        np.load(path) as stored,
    ):
        return dict(stored)


def _torchvision_logits(weights: Weights, version: str) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (origin, logits by size or photo): those that are stored, and those of an installed torchvision."""
    prefix = f"{fingerprint(weights)}/"
    yield "stored", {key.removeprefix(prefix): value for key, value in references().items() if key.startswith(prefix)}
    seeded = not weights.path.exists()
    if _has_torchvision() and (seeded or weights.path.suffix == ".pth"):
        state_dict = seeded_state_dict(version) if seeded else weights.path
        images = {str(size): seeded_pixels(size) for size in SIZES}
        images |= {photo: port_torchvision.pixels(photo_path(photo)) for photo in PHOTOS}
        yield "live", port_torchvision.logits(version, state_dict, images)


def _torchvision_pixels(photo: str, pixels: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (origin, our pixels, torchvision's pixels), of which only a sample is stored."""
    yield "stored", pixels[SAMPLE], references()[f"pixels/{photo}"]
    if _has_torchvision():
        yield "live", pixels, port_torchvision.pixels(photo_path(photo))


def _has_torchvision() -> bool:
    return all(util.find_spec(package) for package in ("torch", "torchvision"))
