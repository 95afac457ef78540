"""scikit-learn's 1,797 handwritten digits, enlarged: a data set that is always there."""

import numpy as np
from PIL import Image

from kerasqueeze.data.cache import Decoded
from kerasqueeze.data.listing import short_digest
from kerasqueeze.data.request import Request
from kerasqueeze.data.splits import stratified
from kerasqueeze.errors import UserError

CLASS_NAMES = tuple("0123456789")
_TEST_FRACTION = 0.25
_TEST_SEED = 1797


def load(request: Request) -> dict[str, Decoded]:
    """Return the parts "train" and "test": 8 x 8 values in 0..16 scaled to 0..255, enlarged bilinearly, as RGB.

    The test part is 25 % of each class, the same in every run.

    Raises:
        UserError: A data_dir is given.
    """
    from sklearn.datasets import load_digits

    if request.data_dir is not None:
        raise UserError(
            f"data set 'digits' has its images inside and takes no data_dir; received {str(request.data_dir)!r}"
        )
    image_size = request.image_size

    bunch = load_digits()
    values = np.round(bunch["images"] * (255 / 16)).astype(np.uint8)
    labels = bunch["target"].astype(np.int32)
    images = np.empty((len(values), image_size, image_size, 3), np.uint8)
    for position, value in enumerate(values):
        enlarged = Image.fromarray(value).resize((image_size, image_size), Image.Resampling.BILINEAR)
        images[position] = np.asarray(enlarged)[..., None]
    train, test = stratified(labels, _TEST_FRACTION, _TEST_SEED)
    return {"train": _part(images, labels, train), "test": _part(images, labels, test)}


def _part(images: np.ndarray, labels: np.ndarray, positions: np.ndarray) -> Decoded:
    images, labels = images[positions], labels[positions]
    names = tuple(f"digit_{position:04d}" for position in positions)
    return Decoded(images, labels, names, CLASS_NAMES, short_digest(*names, labels.tobytes(), images.tobytes()))
