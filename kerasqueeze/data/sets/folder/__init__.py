"""Users' own photos: any tree with one folder a class."""

import os
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

from kerasqueeze.data.cache import Decoded, Photos
from kerasqueeze.data.listing import readable, short_digest, shown, some
from kerasqueeze.data.progress import Progress
from kerasqueeze.data.request import Request, decode_parts
from kerasqueeze.data.sets.folder import parts, tree
from kerasqueeze.errors import UserError

_Classes = dict[str, list[tree.Photo]]


def load(request: Request) -> dict[str, Decoded]:
    """Return the parts of the folder `request.data_dir`, see `photos`."""
    if request.data_dir is None:
        raise UserError("data set 'folder' needs data_dir (--data-dir), a folder with one folder a class")
    return decode_parts("folder", photos(request.data_dir, request.progress), request)


def photos(data_dir: Path, progress: Progress) -> list[Photos]:
    """Return the parts of a folder that holds either of these, photos at any depth below their class:

        data_dir/<class>/*.jpg                            one part, "all"
        data_dir/{train,val,test}/<class>/*.jpg           parts "train", "validation", "test"; only train is required

    The parts may have other usual names, see `parts.find`. Classes are sorted by the names of their folders, and called
    after them; see `class_names`. Files are photos by their content or, if damaged, by their suffix, in all formats of
    `decode.FORMATS`. Links to folders are followed.

    Args:
        data_dir: The folder.
        progress: Told what was found, and what was left out.

    Raises:
        UserError: There are no classes, a class has too few photos, the parts' classes differ, or it is not clear what
            is a part and what a class.
    """
    root, left_out = tree.read(data_dir)
    found = {part: (folder, _classes(folder)) for part, folder in parts.find(root, left_out).items()}
    listed = {part: classes for part, (_, classes) in found.items()}
    _check(data_dir, listed)
    _report(data_dir, {part: folder.path for part, (folder, _) in found.items()}, listed, str(left_out), progress)
    return [_part(data_dir, part, listed[part]) for part in listed]


def class_names(folders: list[str]) -> list[str]:
    r"""Return a name for each folder, each another one, that can be written to any file: see `listing.readable`.

    Of names that differ only in how Unicode composes their letters, which look the same, those that are not in the
    composed form (NFC) show their letters as escapes: `Café` and `Cafe\u0301`.
    """
    return _told_apart([readable(name) for name in folders])


def _told_apart(names: list[str]) -> list[str]:
    composed = [unicodedata.normalize("NFC", name) for name in names]
    alike = Counter(composed)
    return [
        name if name == form or alike[form] == 1 else name.encode("ascii", "backslashreplace").decode()
        for name, form in zip(names, composed, strict=True)
    ]


def _classes(folder: tree.Folder) -> _Classes:
    names = class_names([found.name for found in folder.folders])
    return {name: list(found.photos()) for name, found in zip(names, folder.folders, strict=True)}


def _check(data_dir: Path, listed: dict[str, _Classes]) -> None:
    for part, classes in listed.items():
        place = data_dir if part == "all" else f"{part} of {data_dir}"
        if len(classes) < 2:
            raise UserError(f"{place} holds {len(classes)} classes; expected a folder of photos for each of at least 2")
        first = listed.get("train", classes)
        odd = sorted(set(classes) ^ set(first))
        if odd:
            names = some(_told_apart(odd))
            raise UserError(f"{place} and its train differ in classes: {names}; every part needs the same ones")
        needed = {"all": 3, "train": 3 - ("validation" in listed) - ("test" in listed)}.get(part, 1)
        for name, found in classes.items():
            if len(found) < needed:
                raise UserError(
                    f"class {shown(name)!r} of {place} has {len(found)} photos; expected at least {needed}: add photos "
                    "or remove the folder"
                )


def _report(
    data_dir: Path, folders: dict[str, Path], listed: dict[str, _Classes], left_out: str, progress: Progress
) -> None:
    """Say what was understood."""
    counts = {part: sum(map(len, classes.values())) for part, classes in listed.items()}
    names = list(next(iter(listed.values())))
    if "all" in counts:
        text = f"{counts['all']} photos, from which validation and test are drawn"
    else:
        text = ", ".join(f"{part} {counts[part]} photos ({folders[part].relative_to(data_dir)})" for part in counts)
        drawn = [part for part in ("validation", "test") if part not in counts]
        text += f"; {' and '.join(drawn)} drawn from train" if drawn else ""
    place = shown(str(data_dir), 1000)
    progress.note(f"{place}: {len(names)} classes ({some(names)}); {text}")
    if left_out:
        progress.note(f"{place}: left out {left_out}")


def _part(data_dir: Path, part: str, classes: _Classes) -> Photos:
    found = [photo for photos in classes.values() for photo in photos]
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(photos) for photos in classes.values()])
    names = tuple(readable(photo.path.relative_to(data_dir).as_posix()) for photo in found)
    state = short_digest(*names, *(photo.state for photo in found))
    location = f"{data_dir.resolve()}{os.sep}{part}"
    return Photos(part, names, labels, tuple(classes), location, state, lambda: lambda position: found[position].path)
