"""CIFAR-10 (Krizhevsky 2009): ten classes, 50,000 training and 10,000 test photos of 32 x 32 pixels."""

from kerasqueeze.data.cache import Decoded
from kerasqueeze.data.request import Request, decode_parts
from kerasqueeze.data.sets import any_prepared, folder
from kerasqueeze.errors import UserError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load(request: Request) -> dict[str, Decoded]:
    """Return the parts "train" and "test": of a folder tree with both, or of tfds' copy, which it can download.

    Raises:
        UserError: There is no such copy, or its classes are others.
    """
    if request.data_dir is None or any_prepared.find("cifar10", request.data_dir) is not None:
        return any_prepared.load("cifar10", request)
    photos = folder.photos(request.data_dir, request.progress)
    if {part.part for part in photos} < {"train", "test"} or photos[0].class_names != CLASS_NAMES:
        raise UserError(
            f"no CIFAR-10 in {request.data_dir}: expected folders train and test with a folder for each class, "
            f"{', '.join(CLASS_NAMES)}, or tfds' cifar10"
        )
    return decode_parts("cifar10", photos, request)
