"""Photos decoded once into a block of uint8 pixels on disk, memory-mapped ever after.

One folder an entry: `photos.json` says what is in the block of pixels it names, and is written last. An entry whose
source, size or decoder has changed, or whose block is missing or cut short, is built again. Builders of one entry wait
for each other.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kerasqueeze.data import decode
from kerasqueeze.data.ahead import in_order
from kerasqueeze.data.listing import short_digest, shown, some
from kerasqueeze.data.progress import Progress
from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file, write_text

try:
    import fcntl
except ImportError:  # not a Unix: nobody waits, and all builders write the same content
    fcntl = None

_REMEDY = "replace or remove it, or choose on_broken='skip' (--skip-broken)"


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos that are not decoded yet.

    Attributes:
        part: The part of the data set they are: "train", "validation", "test" or "all".
        names: N unique names.
        labels: int32 (N,).
        class_names: One name a class, in label order.
        location: Where they come from; each location has its own cache entries.
        state: Changes whenever the photos may have changed.
        open: Called once when photos have to be read; returns a thread-safe function from position to file or content.
    """

    part: str
    names: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    location: str
    state: str
    open: Callable[[], Callable[[int], Path | bytes]]


@dataclass(frozen=True, eq=False)
class Decoded:
    """Decoded photos.

    Attributes:
        images: uint8 RGB (N, S, S, 3).
        labels: int32 (N,).
        names: N unique names.
        class_names: One name a class, in label order.
        digest: 16 hex digits that depend on all of these.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    class_names: tuple[str, ...]
    digest: str


def decoded(
    photos: Photos, size: int, folder: Path, on_broken: str, progress: Progress, squash: bool = False
) -> Decoded:
    """Return the photos decoded at `size` x `size` pixels, from the cache where it holds them.

    Args:
        photos: What to decode.
        size: Height and width in pixels; see `decode.read_photo`.
        folder: The cache. It may be deleted whenever no run uses it.
        on_broken: "fatal" ends at a photo that cannot be decoded, "skip" reports it by name and leaves it out.
        progress: Told how many photos are done, and of every photo that is left out.
        squash: See `decode.read_photo`.

    Raises:
        UserError: A photo is broken, or the cache cannot be written.
    """
    entry = folder / f"{photos.part}-{size}px{'-squashed' if squash else ''}-{short_digest(photos.location)}"
    key = {
        "state": photos.state,
        "size": size,
        "decoder": decode.VERSION,
        "class_names": list(photos.class_names),
        "names": list(photos.names),
        "labels": photos.labels.tolist(),
        **({"squash": True} if squash else {}),
    }
    try:
        entry.mkdir(parents=True, exist_ok=True)
        found = _load(entry, key)
        if found is None:
            with exclusive(entry, progress) as alone:
                for part in entry.glob(".part-*") if alone else ():  # left by a killed run
                    part.unlink()
                found = _load(entry, key)  # another run may have built it while this one waited
                if found is None:
                    _build(entry, key, photos, on_broken, progress)
                    found = _load(entry, key)
    except OSError as error:
        needed = len(photos.names) * size * size * 3 / 2**20
        raise UserError(
            f"cannot keep {needed:.0f} MiB of decoded photos in {folder} ({error}); make room, or set "
            "KERASQUEEZE_CACHE to a folder on another disk"
        ) from error
    if found is None:
        raise UserError(f"decoded photos vanished from {folder} as they were written; keep other programs out of it")
    result, broken = found
    if broken and on_broken == "fatal":
        raise UserError(f"{some(list(broken))} cannot be decoded; {_REMEDY}")
    for name, reason in broken.items():
        progress.warn(f"left out: {shown(name)} cannot be decoded ({reason})")
    return result


@contextmanager
def exclusive(folder: Path, progress: Progress) -> Iterator[bool]:
    """Let one process at a time into the block, and say whether that worked.

    The lock goes with the process that holds it, however that ends. Where the file system has no locks nobody waits;
    then nothing that others may be writing must be cleared away.
    """
    with (folder / ".lock").open("wb") as file:
        yield _locked(file, folder, progress)


def _locked(file: BinaryIO, folder: Path, progress: Progress) -> bool:
    if fcntl is None:
        return False
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.note(f"waiting for another run that prepares {folder}")
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _load(entry: Path, key: dict[str, Any]) -> tuple[Decoded, dict[str, str]] | None:
    """Return what the entry holds and the names left out, or None when it is not what `key` asks for."""
    try:
        found = json.loads((entry / "photos.json").read_text(encoding="utf-8"))
        if found["key"] != key:
            return None
        broken = found["broken"]
        kept = [position for position, name in enumerate(key["names"]) if name not in broken]
        block = entry / found["block"]
        images = np.lib.format.open_memmap(block, mode="r")
        if images.dtype != np.uint8 or images.shape != (len(kept), key["size"], key["size"], 3):
            return None
        if block.stat().st_size != images.offset + images.nbytes:
            return None
        names = tuple(key["names"][position] for position in kept)
        labels = np.asarray(key["labels"], np.int32)[kept]
        return Decoded(images, labels, names, tuple(key["class_names"]), found["digest"]), broken
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None  # never built, cut short or damaged: the remedy is the same


def _build(entry: Path, key: dict[str, Any], photos: Photos, on_broken: str, progress: Progress) -> None:
    block = entry / f"{short_digest(json.dumps(key))}.npy"
    size = key["size"]
    way = {"squash": True} if "squash" in key else {}
    read = photos.open()
    broken: dict[str, str] = {}
    digest = hashlib.sha256(json.dumps(photos.class_names).encode())

    def pixels(position: int) -> tuple[bytes, bytes] | decode.BrokenPhoto:
        try:
            image = decode.read_photo(read(position), size, **way)
        except decode.BrokenPhoto as error:
            return error
        content = image.tobytes()
        return content, hashlib.sha256(content).digest()

    with whole_file(block) as part, part.open("wb") as file:
        _write_header(file, len(photos.names), size)
        for position, result in enumerate(in_order(pixels, range(len(photos.names)))):
            name = photos.names[position]
            if isinstance(result, decode.BrokenPhoto):
                if on_broken == "fatal":
                    raise UserError(f"{shown(name)} cannot be decoded ({result.reason}); {_REMEDY}")
                broken[name] = result.reason
            else:
                file.write(result[0])
                digest.update(short_digest(name, str(photos.labels[position]), result[1]).encode())
            progress.update(f"decoding {photos.part}", position + 1, len(photos.names))
        file.seek(0)
        _write_header(file, len(photos.names) - len(broken), size)
    meta = {"key": key, "block": block.name, "broken": broken, "digest": digest.hexdigest()[:16]}
    write_text(entry / "photos.json", json.dumps(meta))
    for other in entry.glob("*.npy"):
        if other.name != block.name:
            other.unlink()


def _write_header(file: BinaryIO, count: int, size: int) -> None:
    """Write the head of a .npy file; NumPy pads it so that a smaller count takes the same room."""
    shape = (count, size, size, 3)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
