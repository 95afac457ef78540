"""Users' own photos: any tree with one folder a class."""

import os
from pathlib import Path

import numpy as np

from kerasqueeze.data.cache import Photos
from kerasqueeze.data.listing import entries, file_state, short_digest, some
from kerasqueeze.data.progress import Progress
from kerasqueeze.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_PARTS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


def photos(data_dir: Path | None, cache: Path, progress: Progress) -> list[Photos]:
    """Return the parts of a folder that holds either of these, photos at any depth below their class:

        data_dir/<class>/*.jpg                            one part, "all"
        data_dir/{train,val,test}/<class>/*.jpg           parts "train", "validation", "test"; only train is required

    Classes are sorted by name. Hidden files, other files than photos and links to folders inside a class are passed
    over.

    Raises:
        UserError: There are no classes, a class has too few photos, or the parts' classes differ.
    """
    if data_dir is None:
        raise UserError("data set 'folder' needs data_dir (--data-dir), a folder with one folder a class")
    parts = _parts(data_dir)
    listed = {part: {name: _photos(Path(path)) for name, path in _folders(folder)} for part, folder in parts.items()}
    _check(data_dir, listed)
    return [_part(data_dir, part, listed[part]) for part in parts]


def _parts(data_dir: Path) -> dict[str, Path]:
    """Return the folder of each part; without a folder `train` that holds folders, there is one part."""
    below = _folders(data_dir)
    if not any(name == "train" and _folders(Path(path)) for name, path in below):
        return {"all": data_dir}
    parts: dict[str, Path] = {}
    for name, path in below:
        part = _PARTS.get(name)
        if part is None or part in parts:
            raise UserError(f"{data_dir} has train, so {name!r} does not belong there; expected train, val and test")
        parts[part] = Path(path)
    return parts


def _folders(folder: Path) -> list[tuple[str, str]]:
    return [(entry.name, entry.path) for entry in entries(folder) if entry.is_dir()]


def _photos(folder: Path) -> dict[Path, str]:
    """Return the photos below `folder`, in order of their paths, with the state of each."""
    found = {}
    for entry in entries(folder):
        if entry.is_dir(follow_symlinks=False):
            found.update(_photos(Path(entry.path)))
        elif entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
            found[Path(entry.path)] = file_state(entry)
    return found


def _check(data_dir: Path, listed: dict[str, dict[str, dict[Path, str]]]) -> None:
    first = next(iter(listed))
    for part, classes in listed.items():
        place = data_dir if part == "all" else f"{part} of {data_dir}"
        if len(classes) < 2:
            raise UserError(f"{place} holds {len(classes)} classes; expected a folder of photos for each of at least 2")
        odd = sorted(set(classes) ^ set(listed[first]))
        if odd:
            raise UserError(f"{place} and its {first} differ in classes: {some(odd)}; every part needs the same ones")
        needed = {"all": 3, "train": 3 - ("validation" in listed) - ("test" in listed)}.get(part, 1)
        for name, found in classes.items():
            if len(found) < needed:
                raise UserError(
                    f"class {name!r} of {place} has {len(found)} photos ({', '.join(SUFFIXES)}); "
                    f"expected at least {needed}: add photos or remove the folder"
                )


def _part(data_dir: Path, part: str, classes: dict[str, dict[Path, str]]) -> Photos:
    paths = [path for found in classes.values() for path in found]
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(found) for found in classes.values()])
    names = tuple(path.relative_to(data_dir).as_posix() for path in paths)
    state = short_digest(*names, *(state for found in classes.values() for state in found.values()))
    location = f"{data_dir.resolve()}{os.sep}{part}"
    return Photos(part, names, labels, tuple(classes), location, state, lambda: paths.__getitem__)
