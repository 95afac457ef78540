"""Stanford Cars (Krause et al. 2013): 196 models of cars, 8,144 training and 8,041 test photos.

The authors' server has been gone for years, and with it tfds' download; copies are on Kaggle and elsewhere. A copy is
either the devkit with its lists,

    cars_train/*.jpg  devkit/cars_train_annos.mat  devkit/cars_meta.mat
    cars_test/*.jpg   cars_test_annos_withlabels.mat (in either folder)      without these, test is drawn from train

or a folder for each class, with or without `train` and `test` above them, as of any set of photos.
"""

from pathlib import Path
from typing import Any

import numpy as np

from kerasqueeze.data.cache import Decoded, Photos
from kerasqueeze.data.listing import file_state, one_line, readable, short_digest, some
from kerasqueeze.data.request import Request, decode_parts
from kerasqueeze.data.sets import folder
from kerasqueeze.errors import UserError

CLASSES = 196
_REMEDY = "name a folder with devkit/ and cars_train/, or with a folder of photos for each of the 196 models"


def load(request: Request) -> dict[str, Decoded]:
    """Return the parts of the folder `request.data_dir`.

    Raises:
        UserError: There is no such folder, or it is not complete.
    """
    if request.data_dir is None:
        raise UserError(
            "data set 'stanford_cars' needs data_dir (--data-dir): its server and tfds' download have been gone for "
            f"years; {_REMEDY}"
        )
    lists = _lists(request.data_dir)
    photos = lists or folder.photos(request.data_dir, request.progress)
    classes = len(photos[0].class_names)
    if classes != CLASSES:
        raise UserError(f"{request.data_dir} holds {classes} classes; expected {CLASSES} models of cars: {_REMEDY}")
    return decode_parts("stanford_cars", photos, request)


def _lists(data_dir: Path) -> list[Photos]:
    """Return the parts that the devkit lists; none if there is no devkit."""
    kits = [path for path in (data_dir / "devkit", data_dir) if (path / "cars_train_annos.mat").is_file()]
    if not kits:
        return []
    names = tuple(readable(str(name)) for name in _mat(kits[0] / "cars_meta.mat", "class_names"))
    found = [_part("train", data_dir, kits[0] / "cars_train_annos.mat", names)]
    tests = [path / "cars_test_annos_withlabels.mat" for path in (data_dir, kits[0])]
    for path in [path for path in tests if path.is_file()][:1]:
        found.append(_part("test", data_dir, path, names))
    return found


def _part(part: str, data_dir: Path, path: Path, class_names: tuple[str, ...]) -> Photos:
    rows = _mat(path, "annotations")
    try:
        labels = np.array([int(row["class"]) - 1 for row in rows], np.int32)
        files = [str(row["fname"]) for row in rows]
    except (KeyError, TypeError, ValueError, IndexError):
        raise UserError(f"{path} has no class and fname for each photo; {_REMEDY}") from None
    wrong = [name for name in files if Path(name).name != name or name in ("", ".", "..")]
    if wrong or len(files) == 0 or labels.min() < 0 or labels.max() >= len(class_names):
        raise UserError(f"{path} names {some(wrong) if wrong else 'classes that there are not'}; {_REMEDY}")
    place = data_dir / f"cars_{part}"
    missing = [name for name in files if not (place / name).is_file()]
    if missing:
        raise UserError(f"{place} lacks {len(missing)} of {len(files)} photos ({some(missing)}); {_REMEDY}")
    shown = tuple(f"{place.name}/{readable(name)}" for name in files)
    state = short_digest(*(file_state(place / name) for name in files))
    return Photos(part, shown, labels, class_names, str(place.resolve()), state, lambda: lambda at: place / files[at])


def _mat(path: Path, key: str) -> Any:
    """Return a variable of a MATLAB file as a flat array."""
    import scipy.io

    try:
        return np.atleast_1d(scipy.io.loadmat(path, squeeze_me=True)[key])
    except Exception as error:  # scipy raises nearly anything on damaged files
        raise UserError(f"{path} cannot be read ({type(error).__name__}: {one_line(error)}); {_REMEDY}") from None
