"""Any image classification set of tfds, `tfds:NAME`: one with an image and a label, such as oxford_flowers102."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from kerasqueeze.data import records
from kerasqueeze.data.cache import Decoded, Photos
from kerasqueeze.data.listing import entries, file_state, one_line, readable, short_digest
from kerasqueeze.data.request import Request, decode_parts
from kerasqueeze.errors import UserError
from kerasqueeze.files import expanded, write_text

_NAME = re.compile(r"[a-z0-9_]+(/[A-Za-z0-9_.-]+)?(:[0-9]+\.[0-9]+\.[0-9]+)?")
_PARTS = {"train": "train", "validation": "validation", "val": "validation", "dev": "validation", "test": "test"}


def load(name: str, request: Request) -> dict[str, Decoded]:
    """Return the parts of a set that tfds has prepared, or downloads and prepares.

    Args:
        name: As tfds names it: NAME, NAME/CONFIG, NAME:VERSION.
        request: Its `data_dir` is tfds' data folder; None for $TFDS_DATA_DIR, else ~/tensorflow_datasets.

    Raises:
        UserError: There is no such set, it cannot be had, or it has no image and label.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise UserError(f"data set 'tfds:{name}': expected a name of tfds, such as tfds:oxford_flowers102")
    folder = request.data_dir or expanded(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    found = find(name, folder) or _download(name, folder, request)
    return decode_parts(f"tfds-{name}", _photos(name, found, request), request)


def find(name: str, data_dir: Path) -> Path | None:
    """Return the folder of the newest prepared copy of a set in tfds' data folder, or None."""
    stem, _, version = name.partition(":")
    place = data_dir.joinpath(*stem.split("/"))
    copies = [path for path in place.glob("*") if (path / "dataset_info.json").is_file()]
    if "/" not in stem:  # the set's first configuration, where it has some
        copies += [path for path in place.glob("*/*") if (path / "dataset_info.json").is_file()] if not copies else []
    wanted = [path for path in copies if not version or path.name == version]
    return max(wanted, key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)], default=None)


def _download(name: str, folder: Path, request: Request) -> Path:
    import tensorflow_datasets as tfds

    request.progress.note(f"tfds downloads and prepares {name} in {folder}")
    try:
        builder = tfds.builder(name, data_dir=folder, file_format="array_record")
        builder.download_and_prepare()
    except Exception as error:  # of the network, tfds, a missing TensorFlow or the disk
        text = f"{type(error).__name__}: {one_line(error)[:200]}"
        raise UserError(
            f"tfds has no prepared {name} in {folder} and cannot make one ({text}); check the name, prepare it where "
            "there is a network, and name tfds' data folder: --data-dir"
        ) from None
    return Path(builder.data_dir)


def _photos(name: str, folder: Path, request: Request) -> list[Photos]:
    try:
        image, label, class_names, splits = _about(folder)
        state = short_digest(*(file_state(entry) for entry in entries(folder)))
        return [
            _part(part, split, folder, (image, label), class_names, state, request) for split, part in splits.items()
        ]
    except UserError:
        raise
    except Exception as error:  # tfds and its readers raise nearly anything on damaged files
        text = f"{type(error).__name__}: {one_line(error)[:200]}"
        raise UserError(f"{folder} cannot be read as {name} ({text}); delete it and prepare it again") from None


def _about(folder: Path) -> tuple[str, str, tuple[str, ...], dict[str, str]]:
    """Return the names of the image and of the label, the classes, and the splits with the parts that they are."""
    import tensorflow_datasets as tfds

    info = tfds.builder_from_directory(folder).info
    features: Any = info.features
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    labels = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    for kind, preferred, found in (("image", "image", images), ("label", "label", labels)):
        if preferred in found:
            found[:] = [preferred]
        if len(found) != 1:
            raise UserError(f"{folder} has {len(found)} features that may be the {kind}; expected one")
    names = tuple(readable(str(one)) for one in features[labels[0]].names)
    splits: dict[str, str] = {}
    for split in info.splits:
        part = _PARTS.get(split)
        if part and part not in splits.values():
            splits[split] = part
    if "train" not in splits.values():
        raise UserError(f"{folder} has the splits {', '.join(info.splits)}; expected one called train")
    return images[0], labels[0], names, splits


def _part(
    part: str,
    split: str,
    folder: Path,
    features: tuple[str, str],
    class_names: tuple[str, ...],
    state: str,
    request: Request,
) -> Photos:
    image, label = features
    examples = records.read(folder, split, image)
    kept = request.cache / "tfds" / "labels" / f"{short_digest(str(folder.resolve()), state, split)}.json"
    try:
        labels = json.loads(kept.read_text(encoding="ascii"))
    except (OSError, ValueError):
        labels = None
    if not isinstance(labels, list) or len(labels) != len(examples):
        labels = [int(examples[row][label]) for row in range(len(examples))]
        write_text(kept, json.dumps(labels))
    found = np.array(labels, np.int32)
    if len(found) == 0 or found.min() < 0 or found.max() >= len(class_names):
        raise UserError(f"split {split} of {folder} has photos without a class; expected one for each")
    names = tuple(f"{split}/{row:07d}" for row in range(len(found)))
    location = f"{folder.resolve()}/{split}"
    return Photos(part, names, found, class_names, location, state, lambda: lambda row: examples[row][image])
