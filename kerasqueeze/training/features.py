"""What a frozen front of a network makes of each photo, computed once and kept on disk.

An entry is a folder below `files.cache_dir()`, named by a hash of all that decides its numbers: the photos, the front's
weights, the code, the numerics and, of augmented views, how they are drawn. It may be deleted whenever no run uses it.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasqueeze import progress
from kerasqueeze.data.cache import exclusive
from kerasqueeze.data.progress import TerminalProgress
from kerasqueeze.data.splits import Split
from kerasqueeze.files import cache_dir, whole_file
from kerasqueeze.models.cut import Cut
from kerasqueeze.training import numerics, provenance

BATCH = 64
MOST = 16 * 2**30
"""Most bytes of one experiment's features; beyond that they are computed in each step, as without a cache."""
MOST_KEPT = 32 * 2**30
"""Most bytes of all entries; those used longest ago are dropped."""


def size(cut: Cut, photos: int) -> int:
    """Return how many bytes the features of so many photos take."""
    return photos * int(np.prod(cut.front.output_shape[1:])) * np.dtype(cut.front.compute_dtype).itemsize


def too_large(needed: int) -> str:
    """Say why features of so many bytes are not kept; "" if they can be."""
    if needed > MOST:
        return f"they would take {needed / 2**30:.1f} GiB, more than {MOST / 2**30:.0f}"
    folder = cache_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return f"they would take {needed / 2**30:.1f} GiB of {free / 2**30:.1f} free" if needed > free / 2 else ""


def of_split(
    cut: Cut, split: Split, about: dict[str, Any], label: str, enlarge: Callable[[np.ndarray], Any] | None = None
) -> Split:
    """Return a split whose images are the front's features of its photos.

    Args:
        cut: The network's parts.
        split: Photos, uint8 (N, S, S, 3).
        about: What else decides the features: the photos' fingerprint, and the size they are enlarged to.
        label: What they are, for the bar.
        enlarge: What enlarges them, if they are to be.
    """
    return _kept(cut, [split], about, label, lambda pixels, view: pixels if enlarge is None else enlarge(pixels))


def of_views(
    cut: Cut,
    split: Split,
    about: dict[str, Any],
    label: str,
    views: int,
    augment: Callable[[np.ndarray, int], Any],
) -> Split:
    """Return the same of several augmented views of each photo, one block behind the other.

    Args:
        cut: The network's parts.
        split: Photos, uint8 (N, S, S, 3).
        about: What else decides the features: the photos' fingerprint, and all that decides the views.
        label: What they are, for the bar.
        views: Views of each photo.
        augment: Makes view number i, from 0, of a batch of photos; batches come in order, the views one by one.
    """
    return _kept(cut, [split] * views, about, label, augment)


def _kept(cut: Cut, parts: list[Split], about: dict[str, Any], label: str, prepare: Callable[..., Any]) -> Split:
    split, count = parts[0], sum(map(len, parts))
    folder = cache_dir() / "features"
    entry = folder / _key(cut, split, {**about, "views": len(parts)})
    entry.mkdir(parents=True, exist_ok=True)
    path, shape = entry / "features.npy", (count, *cut.front.output_shape[1:])
    with exclusive(entry, TerminalProgress()):
        if _read(path, shape) is None:
            _make_room(folder, entry, size(cut, count))
            with whole_file(path) as part:
                whole = np.lib.format.open_memmap(part, "w+", np.dtype(cut.front.compute_dtype), shape)
                bar = progress.bar(label, "features", count, "photo")
                try:
                    for at, features in _computed(cut, parts, prepare):
                        whole[at : at + len(features)] = features
                        if bar is not None:
                            bar.update(len(features))
                finally:
                    if bar is not None:
                        bar.close()
                whole.flush()
                del whole
        path.touch()
    found = _read(path, shape)
    assert found is not None
    labels = np.concatenate([part.labels for part in parts])
    names = tuple(name for part in parts for name in part.names)
    return Split(found, np.arange(count), labels, names)


def _computed(cut: Cut, parts: list[Split], prepare: Callable[..., Any]) -> Iterator[tuple[int, np.ndarray]]:
    at = 0
    for view, split in enumerate(parts):
        for first in range(0, len(split), BATCH):
            pixels, _ = split.batch(np.arange(first, min(first + BATCH, len(split))))
            count = len(pixels)
            padded = np.concatenate([pixels, np.repeat(pixels[-1:], BATCH - count, 0)])  # one shape, compiled once
            features = np.asarray(cut.front.predict_on_batch(prepare(padded, view)))[:count]
            yield at, features
            at += count


def _key(cut: Cut, split: Split, about: dict[str, Any]) -> str:
    told = {
        "layer": cut.layer,
        "pooled": cut.pooled,
        "front": provenance.of_weights(cut.front),
        "photos": hashlib.sha256("\n".join(split.names).encode("utf-8", "surrogatepass")).hexdigest(),
        "shape": list(split.images.shape[1:]),
        "code": provenance.of_code(),
        "versions": provenance.versions(),
        "numerics": numerics.settings(),
        **about,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        found = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError):
        return None
    whole = found.shape == shape and path.stat().st_size == found.offset + found.nbytes
    return found if whole else None


def _make_room(folder: Path, entry: Path, needed: int) -> None:
    """Drop the entries used longest ago, so that all together stay below `MOST_KEPT`."""
    found = sorted(folder.glob("*/features.npy"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in found) + needed
    for path in found:
        if total <= MOST_KEPT:
            return
        if path.parent != entry:
            total -= path.stat().st_size
            shutil.rmtree(path.parent, ignore_errors=True)


def views_of(model: keras.Model, seed: int) -> Callable[[np.ndarray, int], Any]:
    """Return what makes the augmented views of photos, with a model's layers before its network.

    Args:
        model: The training model, a chain of augmenting layers and the network.
        seed: Of the run; each view draws numbers of its own from it.
    """
    made: dict[int, list[Any]] = {}

    def augment(pixels: np.ndarray, view: int) -> Any:
        if view not in made:
            states = np.random.SeedSequence([seed, view]).generate_state(8)
            made.clear()
            made[view] = [
                type(layer).from_config({**layer.get_config(), "seed": int(state)}) if _draws(layer) else layer
                for layer, state in zip(model.layers[1:-1], states, strict=False)
            ]
        x = pixels
        for layer in made[view]:
            x = layer(x, training=True)
        return x

    return augment


def _draws(layer: Any) -> bool:
    return "seed" in layer.get_config()
