"""Copies of Stanford Dogs that tfds has prepared: where they are, and how to read them without TensorFlow."""

import contextlib
import importlib
import importlib.util
import os
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from kerasqueeze.data.listing import entries, file_state, one_line, short_digest, some
from kerasqueeze.data.progress import Progress
from kerasqueeze.data.records import read
from kerasqueeze.errors import UserError
from kerasqueeze.files import expanded

VERSION = "0.2.0"
"""The version of tfds' `stanford_dogs` whose labels are sorted by WordNet id."""
DOWNLOAD_PAGE = "http://vision.stanford.edu/aditya86/ImageNetDogs/"
_REMEDY = (
    f"download images.tar, annotation.tar and lists.tar from {DOWNLOAD_PAGE} into one folder, or Stanford Dogs from "
    "Kaggle, and name the folder in data_dir (--data-dir)"
)


def find(data_dir: Path) -> Path | None:
    """Return the folder of the official copy in tfds' data folder `data_dir`, or None."""
    folder = data_dir / "stanford_dogs" / VERSION
    return folder if (folder / "dataset_info.json").is_file() else None


def official_copy(progress: Progress) -> Path:
    """Return the folder of the official copy in tfds' own data folder ($TFDS_DATA_DIR, else ~/tensorflow_datasets).

    Where there is none, tfds' builder downloads and prepares one; that takes TensorFlow.

    Raises:
        UserError: There is none, and none can be made.
    """
    data_dir = expanded(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets", "name the photos with --data-dir")
    found = find(data_dir)
    if found is not None:
        return found
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            f"no Stanford Dogs in {data_dir}: {_REMEDY}; or pip install 'kerasqueeze[tensorflow]', "
            "and tfds downloads it"
        )
    progress.note(f"downloading Stanford Dogs (780 MB) into {data_dir}")
    try:
        # tfds itself tries for minutes before it gives up
        urllib.request.urlopen(urllib.request.Request(f"{DOWNLOAD_PAGE}lists.tar", method="HEAD"), timeout=20).close()
        _download(data_dir)
    except Exception as error:  # of the network, tfds, TensorFlow or the disk
        text = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(f"Stanford Dogs cannot be downloaded into {data_dir} ({text}); {_REMEDY}") from error
    return data_dir / "stanford_dogs" / VERSION


def _download(data_dir: Path) -> None:
    import tensorflow_datasets as tfds

    with contextlib.suppress(RuntimeError):  # TensorFlow is in use already, so it has what it wants
        importlib.import_module("tensorflow").config.set_visible_devices([], "GPU")
    builder = tfds.builder(f"stanford_dogs:{VERSION}", data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare()


def state(folder: Path) -> str:
    """Return digits that change when a file of the copy does."""
    return short_digest(*(file_state(entry) for entry in entries(folder)))


def reader(folder: Path, half: str, names: Sequence[str]) -> Callable[[int], bytes]:
    """Return a function from a position in `names` to that photo as it is stored.

    Args:
        folder: The copy: features.json, dataset_info.json and shards in array_record or TFRecord.
        half: "train" or "test".
        names: The photos that it has to hold, `<wnid>-<Breed>/<wnid>_<n>.jpg`.

    Raises:
        UserError: The copy is damaged, or does not hold exactly the photos named.
    """
    try:
        records = read(folder, half)
        paths = [records[row]["image/filename"].decode() for row in range(len(records))]
    except Exception as error:  # tfds and its readers raise nearly anything on damaged files
        text = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(f"{folder} cannot be read ({text}); delete it and prepare it again") from error
    found = {"/".join(path.split("/")[-2:]): row for row, path in enumerate(paths)}
    wrong = sorted(set(names) ^ set(found))
    if wrong:
        raise UserError(
            f"{folder} differs from the official {half} list in {len(wrong)} photos ({some(wrong)}); "
            "delete it and prepare it again"
        )
    rows = [found[name] for name in names]
    return lambda position: records[rows[position]]["image"]
