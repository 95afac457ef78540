"""The data sets by name, decoded, split and ready for `pipeline.Batches`."""

from pathlib import Path

import numpy as np

from kerasqueeze.data.cache import Decoded
from kerasqueeze.data.listing import short_digest
from kerasqueeze.data.progress import Progress, TerminalProgress
from kerasqueeze.data.request import Request
from kerasqueeze.data.sets import SETS, any_prepared
from kerasqueeze.data.splits import DataSet, Split, at_most, stratified
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.files import cache_dir, expanded

__all__ = ["NAMES", "DataSet", "Split", "load"]

NAMES = tuple(sorted(SETS))
PREFIX = "tfds:"
TEST_FRACTION = 0.2
"""Share of a folder's photos, class by class, that is its test half when it has none of its own."""
_TEST_SEED = 0


def load(
    name: str,
    *,
    image_size: int,
    data_dir: Path | str | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    limit: int | None = None,
    on_broken: str = "fatal",
    squash: bool = False,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """Load a data set; photos are decoded on the first call for a size and memory-mapped afterwards.

    Args:
        name: One of `NAMES`, what each is, says its module in `sets`; or "tfds:NAME", see `sets.any_prepared`.
        image_size: Height and width of the images in pixels, at least 8.
        data_dir: Where the photos are, for sets that are made of files.
        seed: Of the split, not of the training: draws validation photos and what `limit` keeps.
        validation_fraction: Share of the training half's photos to validate on, class by class, in (0, 1).
        limit: Keep at most this many training photos a class; validation and test stay whole.
        on_broken: "fatal" ends at a photo that cannot be decoded, "skip" reports it by name and leaves it out.
        squash: Whether photos are squashed to a square; otherwise their centre is cut out.
        cache: Folder for decoded photos; default `files.cache_dir()`.
        progress: Told how preparation goes and what the set holds; default lines on standard error.

    Raises:
        UserError: An argument is out of range, or there are no such photos.
    """
    _check(name, image_size, seed, validation_fraction, limit, on_broken)
    source = None if data_dir is None else _existing(data_dir)
    place = cache_dir() if cache is None else Path(cache)
    progress = progress or TerminalProgress()
    request = Request(image_size, source, place, on_broken, progress, squash)
    parts = any_prepared.load(name.removeprefix(PREFIX), request) if name.startswith(PREFIX) else SETS[name](request)
    data = assemble(name, parts, seed, validation_fraction, limit)
    progress.note(
        f"{name}: {len(data.class_names)} classes; {len(data.train)} photos to train on, {len(data.validation)} to "
        f"validate, {len(data.test)} to test"
    )
    return data


def assemble(name: str, parts: dict[str, Decoded], seed: int, validation_fraction: float, limit: int | None) -> DataSet:
    """Make the three splits of either the part "all", or "train" and perhaps "validation" and "test".

    What there is no part for is cut from the first, stratified: the test half with a seed of its own.
    """
    class_names = next(iter(parts.values())).class_names
    splits = {part: _whole(decoded) for part, decoded in parts.items()}
    train = splits["all" if "all" in splits else "train"]
    test, validation = splits.get("test"), splits.get("validation")
    if test is None:
        train, test = _cut(train, class_names, TEST_FRACTION, _TEST_SEED)
    if validation is None:
        train, validation = _cut(train, class_names, validation_fraction, seed)
    if limit is not None:
        train = train.take(at_most(train.labels, limit, seed))
    for what, split in (("training", train), ("validation", validation), ("test", test)):
        missing = sorted(set(range(len(class_names))) - set(split.labels.tolist()))
        if missing:
            raise UserError(f"class {class_names[missing[0]]!r} has no {what} photo that can be decoded; add some")
    fingerprint = short_digest(*class_names, *(f"{part}:{parts[part].digest}" for part in sorted(parts)))
    return DataSet(name, class_names, train, validation, test, fingerprint)


def _whole(part: Decoded) -> Split:
    return Split(part.images, np.arange(len(part.labels)), part.labels, part.names)


def _cut(split: Split, class_names: tuple[str, ...], fraction: float, seed: int) -> tuple[Split, Split]:
    for label, count in enumerate(np.bincount(split.labels, minlength=len(class_names))):
        if count < 2:
            raise UserError(f"class {class_names[label]!r} has {count} photos to split; expected at least 2: add some")
    kept, held_out = stratified(split.labels, fraction, seed)
    return split.take(kept), split.take(held_out)


def _existing(data_dir: Path | str) -> Path:
    folder = expanded(data_dir)
    if not folder.is_dir():
        raise UserError(f"data_dir {str(data_dir)!r} is not a folder; name the one that holds the photos")
    return folder


def _check(
    name: str, image_size: int, seed: int, validation_fraction: float, limit: int | None, on_broken: str
) -> None:
    if name not in NAMES and not name.startswith(PREFIX):
        raise unknown("data set", name, (*NAMES, f"{PREFIX}NAME"))
    if on_broken not in ("fatal", "skip"):
        raise unknown("on_broken", on_broken, ("fatal", "skip"))
    if not (_is_whole(image_size) and 8 <= image_size <= 4096):
        raise UserError(f"image_size is {image_size!r}; expected a whole number of pixels from 8 to 4096, like 224")
    if not (_is_whole(seed) and seed >= 0):
        raise UserError(f"split seed is {seed!r}; expected 0 or a positive whole number")
    if not 0 < validation_fraction < 1:
        raise UserError(f"validation_fraction is {validation_fraction!r}; expected a share between 0 and 1, like 0.1")
    if limit is not None and not (_is_whole(limit) and limit >= 1):
        raise UserError(f"limit is {limit!r}; expected at least 1 photo a class, or None for all")


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
