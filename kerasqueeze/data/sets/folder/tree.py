"""What lies in a folder: photos by their content, folders at any depth, and what is left out of them."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kerasqueeze.data import decode
from kerasqueeze.data.listing import entries, file_state, readable, shown, some
from kerasqueeze.errors import UserError

DEEPEST = 100
_SYSTEM = {
    *("@eadir", "@__thumb", "#recycle", "__macosx", "$recycle.bin", "system volume information", "lost+found"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini"),
}
"""What file servers and desktops put beside photos, thumbnails of them among it; so they do under hidden names."""


@dataclass(frozen=True)
class Photo:
    """A file that holds a photo, or says so by its suffix; `state` changes when the file may have changed."""

    path: Path
    state: str


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder and what was found in it, in the order of names."""

    name: str
    path: Path
    held: "list[Photo | Folder]" = field(default_factory=list)

    @property
    def loose(self) -> list[Photo]:
        """The photos that lie in the folder itself."""
        return [found for found in self.held if isinstance(found, Photo)]

    @property
    def folders(self) -> "list[Folder]":
        """The folders in it, empty ones too."""
        return [found for found in self.held if isinstance(found, Folder)]

    @property
    def filled(self) -> "list[Folder]":
        """The folders in it that are not empty."""
        return [folder for folder in self.folders if not folder.empty]

    @property
    def empty(self) -> bool:
        """Whether no photo lies in it, at any depth."""
        return next(self.photos(), None) is None

    def photos(self) -> Iterator[Photo]:
        """Yield the photos at any depth, in the order of their paths."""
        for found in self.held:
            if isinstance(found, Photo):
                yield found
            else:
                yield from found.photos()


class LeftOut:
    """What a folder holds and nobody trains on, by reason.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path):
        self._root = root
        self._names: dict[str, list[str]] = {}

    def add(self, path: Path, reason: str) -> None:
        """Note one more; `reason` follows a number, as in "3 hidden"."""
        self._names.setdefault(reason, []).append(readable(path.relative_to(self._root).as_posix()))

    def __str__(self) -> str:
        return "; ".join(f"{len(names)} {reason} ({some(names)})" for reason, names in self._names.items())


def read(root: Path) -> tuple[Folder, LeftOut]:
    """Return what `root` holds; links to folders are followed.

    Raises:
        UserError: A folder cannot be read, is reached twice, or lies too deep.
    """
    left_out = LeftOut(root)
    real = root.resolve()
    above = {_identity(folder) for folder in (real, *real.parents)}
    return _Reader(root, left_out).read(Folder(root.name, root), above), left_out


class _Reader:
    def __init__(self, root: Path, left_out: LeftOut):
        self._root = root
        self._left_out = left_out
        self._seen: dict[tuple[int, int], Path] = {}

    def read(self, folder: Folder, above: set[tuple[int, int]], depth: int = 1) -> Folder:
        """Fill the folder; `above` are the folders that it lies in."""
        if depth > DEEPEST:
            raise UserError(f"{shown(str(folder.path))} is {depth} folders deep; expected at most {DEEPEST}")
        for entry in entries(folder.path, hidden=True):
            path = Path(entry.path)
            if entry.name.startswith(".") or entry.name.lower() in _SYSTEM:
                self._left_out.add(path, "hidden or made by the system")
                continue
            mode = _mode(entry)
            if mode is not None and stat.S_ISDIR(mode):
                identity = _identity(path)
                if identity in above:
                    self._left_out.add(path, "linked back to a folder above")
                else:
                    self._once(identity, path)
                    folder.held.append(self.read(Folder(entry.name, path), {*above, identity}, depth + 1))
            elif reason := _no_photo(path, mode):
                self._left_out.add(path, reason)
            else:
                folder.held.append(Photo(path, file_state(entry)))
        return folder

    def _once(self, identity: tuple[int, int], path: Path) -> None:
        first = self._seen.setdefault(identity, path)
        if first != path:
            both = " and ".join(shown(found.relative_to(self._root).as_posix()) for found in (first, path))
            raise UserError(f"{both} in {self._root} are one folder; remove the link, or its photos would count twice")


def _no_photo(path: Path, mode: int | None) -> str | None:
    """Return why a file is left out, or None if it is a photo, or one by its suffix that may be broken."""
    if mode is not None and not stat.S_ISREG(mode):
        return "pipes, sockets or devices"
    suffix = path.suffix.lower()
    if suffix in decode.suffixes():
        return None
    if mode is None:
        return "links to nothing"
    try:
        if decode.is_photo(path):
            return None
    except OSError:
        return "unreadable"
    if suffix in (".heic", ".heif"):
        return "HEIF photos, which Pillow does not read: convert them to JPEG"
    return "of no photo format"


def _identity(folder: Path) -> tuple[int, int]:
    try:
        found = folder.stat()
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}); check that it may be") from error
    return found.st_dev, found.st_ino


def _mode(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat().st_mode
    except OSError:  # a link to nothing, or in a circle
        return None
