"""Photos whose classes are known, to see how a trained network does on them: a folder a class, or a data set's test."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kerasqueeze.class_names import readable
from kerasqueeze.data import datasets, listing
from kerasqueeze.data.decode import BrokenPhoto
from kerasqueeze.deploy.classifier import BATCH, Classifier
from kerasqueeze.deploy.photos import Photo, decoded, find, prepare
from kerasqueeze.errors import UserError

_WORDNET = re.compile(r"n\d{8}(?!\d)")


@dataclass(frozen=True, eq=False)
class Scored:
    """What a network says of photos whose classes are known.

    Attributes:
        names: Of the N photos that could be read.
        labels: Their true classes (N,), by the network's numbers.
        logits: (N, C).
        classes: The network's numbers of the classes that the photos have, sorted.
        broken: Why each of the others could not be read, by name.
        pixels: Returns the uint8 RGB image (S, S, 3) of one of the N photos.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    logits: np.ndarray
    classes: tuple[int, ...]
    broken: dict[str, str]
    pixels: Callable[[int], np.ndarray]


def of_folder(classifier: Classifier, folder: Path, unknown: str = "fatal") -> Scored:
    """Score the photos of a folder that holds one folder a class; photos may lie at any depth below it.

    Args:
        classifier: The network.
        folder: The folder.
        unknown: "fatal" ends at a folder that is none of the network's classes, "skip" leaves it out.

    Raises:
        UserError: There is no photo of a class of the network's.
    """
    photos, labels = [], []
    found = [Path(entry.path) for entry in listing.entries(folder) if entry.is_dir()]
    if not found:
        raise UserError(f"{folder} holds no folders; expected one folder a class, as in {folder}/beagle/1.jpg")
    numbers = match([path.name for path in found], classifier.card.class_names, unknown)
    for path, number in zip(found, numbers, strict=True):
        if number is not None:
            below = find([str(path)])
            photos += [Photo(str(Path(photo.name).relative_to(folder)), photo.source) for photo in below]
            labels += [number] * len(below)
    if not photos:
        raise UserError(f"none of the folders in {folder} is a class of {classifier.name}")
    kept, numbers, parts, broken = [], [], [], {}
    waiting: list[np.ndarray] = []
    for label, (photo, pixels) in zip(labels, decoded(photos, classifier.card), strict=True):
        if isinstance(pixels, BrokenPhoto):
            broken[photo.name] = pixels.reason
            continue
        kept.append(photo)
        numbers.append(label)
        waiting.append(pixels)
        if len(waiting) == BATCH:
            parts.append(classifier.logits(np.stack(waiting)))
            waiting = []
    if waiting:
        parts.append(classifier.logits(np.stack(waiting)))
    if not parts:
        raise UserError(f"none of the {len(photos)} photos in {folder} can be decoded")
    names, classes = tuple(photo.name for photo in kept), tuple(sorted(set(labels)))
    again = lambda place: prepare(kept[place].source, classifier.card)  # noqa: E731
    return Scored(names, np.array(numbers), np.concatenate(parts), classes, broken, again)


def of_set(
    classifier: Classifier,
    name: str,
    data_dir: Path | None,
    classes: Sequence[str] | None = None,
    part: str = "test",
    limit: int | None = None,
) -> Scored:
    """Score a part of a data set of the registry.

    Args:
        classifier: The network.
        name: As `data.datasets.load` takes it.
        data_dir: Where its photos are.
        classes: Names or WordNet ids of those to score; default all that the network knows.
        part: "validation" or "test".
        limit: At most so many photos, spread evenly over the part.

    Raises:
        UserError: There is no such set, or the network knows none of the classes.
    """
    card = classifier.card
    data = datasets.load(name, image_size=card.image_size, data_dir=data_dir, squash=card.resize == "squash")
    chosen = set(match(classes, data.class_names)) if classes else set(range(len(data.class_names)))
    numbers = match(data.class_names, card.class_names, "skip")
    split = {"validation": data.validation, "test": data.test}[part]
    known = [place for place, label in enumerate(split.labels) if label in chosen and numbers[label] is not None]
    if not known:
        raise UserError(
            f"{classifier.name} knows none of the classes of {name}; expected the classes it was trained on"
        )
    if limit is not None and limit < len(known):
        known = [known[int(place)] for place in np.linspace(0, len(known) - 1, limit)]
    split = split.take(np.array(known))
    parts = []
    for start in range(0, len(split), BATCH):
        images, _ = split.batch(range(start, min(start + BATCH, len(split))))
        parts.append(classifier.logits(np.ascontiguousarray(_enlarged(images, card.pixels))))
    true = [number for label in split.labels if (number := numbers[label]) is not None]
    labels, classes = np.array(true), tuple(sorted(set(true)))
    return Scored(split.names, labels, np.concatenate(parts), classes, {}, lambda place: split.batch([place])[0][0])


def match(names: Sequence[str], known: Sequence[str], unknown: str = "fatal") -> list[int | None]:
    """Return for each name the number of the known class that it means.

    A name means a class if it is its name, has its WordNet id, or reads the same, case and accents' forms aside.

    Args:
        names: Such as folders' names.
        known: The classes' names.
        unknown: "fatal" refuses a name that is none of them, "skip" returns None for it.

    Raises:
        UserError: A name means no class, or two names mean one class.
    """
    exact = {name: number for number, name in enumerate(known)}
    ids = {wordnet[0]: number for number, name in enumerate(known) if (wordnet := _WORDNET.match(name))}
    read = {_folded(name): number for number, name in enumerate(readable(known))}
    found: list[int | None] = []
    for name in names:
        wordnet = _WORDNET.match(name)
        number = exact.get(name, ids.get(wordnet[0]) if wordnet else None)
        if number is None:
            number = read.get(_folded(readable([name])[0]))
        if number is None and unknown == "fatal":
            close = difflib.get_close_matches(_folded(name), read, 1)
            hint = f"; the nearest is {known[read[close[0]]]!r}" if close else ""
            raise UserError(
                f"{listing.shown(name)!r} is none of the {len(known)} classes{hint}; name it as the "
                "network does, or leave such folders out (--skip-unknown)"
            )
        if number is not None and number in found:
            first = names[found.index(number)]
            raise UserError(
                f"{first!r} and {name!r} both mean the class {known[number]!r}; expected one folder a class"
            )
        found.append(number)
    return found


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().replace("_", " ").replace("-", " ").strip()


def _enlarged(images: np.ndarray, size: int) -> np.ndarray:
    if images.shape[1] == size:
        return images
    resized = [Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR) for image in images]
    return np.stack([np.asarray(image) for image in resized])
