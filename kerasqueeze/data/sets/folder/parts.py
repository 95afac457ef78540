"""Which folders are the parts of a data set, train, validation and test, and which are its classes."""

import itertools
import re
from collections import defaultdict

from kerasqueeze.data.listing import shown, some
from kerasqueeze.data.sets.folder.tree import Folder, LeftOut
from kerasqueeze.errors import UserError

_WORDS = {
    "train": ("train", "training", "trn"),
    "validation": ("val", "valid", "validation", "validate", "dev", "development"),
    "test": ("test", "testing", "tst", "holdout", "heldout"),
    "evaluation": ("eval", "evaluation"),  # some mean the validation part, some the test part
    "unlabelled": ("unlabelled", "unlabeled", "pred", "predict", "prediction", "predictions"),
}
_PART = {word: part for part, words in _WORDS.items() for word in words}
_FILLERS = {"set", "sets", "data", "dataset", "image", "images", "img", "imgs", "photo", "photos", "split", "part"}
_WORD = re.compile(rf"({'|'.join(_PART)})({'|'.join(_FILLERS)})?")


def find(root: Folder, left_out: LeftOut) -> dict[str, Folder]:
    """Return the folder that holds the classes of each part: "all", or "train" and perhaps "validation" and "test".

    Parts are recognised by their names in the usual spellings, `Training`, `train_set`, `dogs-train` beside
    `dogs-test`, `seg_train/seg_train`, if there are folders with photos in them.

    Raises:
        UserError: Folders look like parts, but it is not clear which.
    """
    parts = _parts_among([folder for folder in root.filled if folder.filled])
    if not parts:
        _no_loose_photos(root)
        _check_classes(root)
        return {"all": root}
    found: dict[str, Folder] = {}
    for folder in root.folders:
        part = parts.get(folder.name) or (part_of(folder.name) or ("",))[0]
        if part == "unlabelled":
            left_out.add(folder.path, "folders of photos without labels")
        elif not part and folder.empty:
            left_out.add(folder.path, "folders without photos")
        else:
            _check_part(root, folder, part, found)
            found[part] = _unwrapped(folder, part)
    if "train" not in found:
        raise UserError(
            f"{root.path} holds {some([folder.name for folder in root.folders])}, but no part to learn from; "
            "call its folder 'train'"
        )
    _no_loose_photos(root)
    for folder in found.values():
        _no_loose_photos(folder)
    return found


def part_of(name: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the part that a folder's name speaks of, and its other words; None when it is of no part, or of two."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()  # TrainingSet
    words = re.findall(r"[^\W\d_]+|\d+", re.sub(r"h(o|e)ld[\W_]*out", r"h\1ldout", name))
    found = [match[1] for word in words if (match := _WORD.fullmatch(word))]
    if len(found) != 1:
        return None
    return _PART[found[0]], tuple(word for word in words if word not in _FILLERS and not _WORD.fullmatch(word))


def _parts_among(folders: list[Folder]) -> dict[str, str]:
    """Return the part of each folder that is named as one; with other words in its name, if another part has them."""
    by_rest: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for folder in folders:
        found = part_of(folder.name)
        if found is not None:
            by_rest[found[1]][folder.name] = found[0]
    return {
        name: part
        for rest, names in by_rest.items()
        if not rest or len(set(names.values())) > 1
        for name, part in names.items()
    }


def _check_part(root: Folder, folder: Folder, part: str, found: dict[str, Folder]) -> None:
    name = shown(folder.name)
    if not part:
        raise UserError(
            f"{root.path} is divided in parts, to which {name!r} does not belong; expected train, val and test"
        )
    if part == "evaluation":
        raise UserError(
            f"{root.path} holds {name!r}, which can mean two things; rename it to val or test, or remove it"
        )
    if part in found:
        both = f"{shown(found[part].name)!r} and {name!r}"
        raise UserError(f"{root.path} holds {both}, which both mean {part}; expected one")


def _unwrapped(folder: Folder, part: str) -> Folder:
    """Return the folder itself, or the one in it that holds everything: `seg_train/seg_train`, `train/images`."""
    inner = folder.folders[0] if folder.folders and len(folder.held) == 1 else folder
    named = part_of(inner.name)
    if inner.filled and inner is not folder and (inner.name.lower() in _FILLERS or (named and named[0] == part)):
        return _unwrapped(inner, part)
    return folder


def _no_loose_photos(folder: Folder) -> None:
    if folder.loose:
        names = some([photo.path.name for photo in folder.loose])
        raise UserError(
            f"{folder.path} holds {len(folder.loose)} photos beside the class folders ({names}); "
            "move each into the folder of its class, or away"
        )


def _check_classes(root: Folder) -> None:
    """Refuse "classes" that are parts without classes or under names nobody knows, or that hold parts themselves."""
    classes = root.filled
    if len(classes) == 1 and len(classes[0].filled) > 1:
        raise UserError(f"{root.path} holds one folder, {shown(classes[0].name)!r}, that holds others; name that one")
    parts = _parts_among(classes)
    if len(set(parts.values())) > 1:
        raise UserError(f"{root.path} holds {some(list(parts))}, but no class folders in them; expected train/<class>")
    for folder in classes:
        inner = _parts_among(folder.filled)
        if "train" in inner.values() and len(set(inner.values())) > 1:
            raise UserError(
                f"class {shown(folder.name)!r} of {root.path} is divided in parts ({some(list(inner))}); expected the "
                "parts outside and the classes in them: train/<class>, val/<class>, test/<class>"
            )
    below = [(folder.name, {inner.name for inner in folder.filled}) for folder in classes if not folder.loose]
    for (first, names), (second, others) in itertools.combinations(below, 2):
        if min(len(names), len(others)) > 1 and 2 * len(names & others) >= min(len(names), len(others)):
            raise UserError(
                f"{some([first, second])} of {root.path} hold the same folders ({some(sorted(names & others))}), as "
                "parts do; rename them to train, val and test if they are parts; if they are classes, put all classes "
                "into one folder 'train'"
            )
