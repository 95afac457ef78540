"""The official split of Stanford Dogs, and the forms in which people have the photos."""

import functools
import gzip
import io
import json
import tarfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

import numpy as np

from kerasqueeze.data.decode import MAX_BYTES
from kerasqueeze.data.listing import entries, file_state, read_file, short_digest, some
from kerasqueeze.errors import UserError


@dataclass(frozen=True)
class OfficialSplit:
    """Names of the photos, `<wnid>-<Breed>/<wnid>_<n>.jpg`, in the order of the official lists, and their classes.

    Attributes:
        class_names: `<wnid>-<Breed>`, sorted by WordNet id; a class's position is its official label less one.
        train: The training half (12,000 photos).
        test: The test half (8,580 photos).
    """

    class_names: tuple[str, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]

    def half(self, half: str) -> tuple[tuple[str, ...], np.ndarray]:
        """Return names and int32 labels of "train" or "test"."""
        names = {"train": self.train, "test": self.test}[half]
        number = {name: label for label, name in enumerate(self.class_names)}
        return names, np.asarray([number[name.split("/")[0]] for name in names], np.int32)


@functools.cache
def official_split() -> OfficialSplit:
    """Read the split that ships with the package, taken from lists.tar."""
    packed = resources.files("kerasqueeze.data.sets.stanford_dogs").joinpath("split.json.gz").read_bytes()
    table: dict[str, dict[str, list[int]]] = json.loads(gzip.decompress(packed))

    def names(half: str) -> tuple[str, ...]:
        return tuple(
            f"{breed}/{breed.split('-')[0]}_{number}.jpg" for breed, halves in table.items() for number in halves[half]
        )

    return OfficialSplit(tuple(table), names("train"), names("test"))


class Copy(ABC):
    """A copy of the photos on disk, with annotations and lists where it has them."""

    def __init__(self, folder: Path):
        self.folder = folder

    @abstractmethod
    def state(self) -> str:
        """Return digits that change when a file's name, size or time of change does."""

    @abstractmethod
    def names(self) -> set[str]:
        """Return the photos there are, named as in `OfficialSplit`."""

    @abstractmethod
    def photo(self, name: str) -> bytes:
        """Return the photo as it is stored."""

    @abstractmethod
    def annotation(self, name: str) -> bytes | None:
        """Return the photo's annotation, Pascal VOC XML, or None when there is none."""

    @abstractmethod
    def official_list(self, half: str) -> bytes | None:
        """Return train_list.mat or test_list.mat, or None when there is none."""

    def check(self, split: OfficialSplit) -> None:
        """Raise UserError unless the copy holds exactly the photos of `split`, and any lists agree with it."""
        expected, found = {*split.train, *split.test}, self.names()
        for problem, names in (("lacks", expected - found), ("has, beyond the official list,", found - expected)):
            if names:
                raise UserError(
                    f"{self.folder} {problem} {len(names)} of {len(expected)} photos ({some(sorted(names))}); "
                    "unpack or download Stanford Dogs again"
                )
        for half in ("train", "test"):
            content = self.official_list(half)
            if content is not None and _listed(content) != set(split.half(half)[0]):
                raise UserError(
                    f"{half}_list.mat in {self.folder} is not the official list; remove it to use the official split"
                )


class Tree(Copy):
    """Kaggle's tree, or the unpacked archives."""

    @classmethod
    def find(cls, folder: Path) -> "Tree | None":
        """Return the tree in `folder`, if there is one."""
        return cls(folder) if _first_folder(folder / "images" / "Images", folder / "Images") else None

    def state(self) -> str:
        """See `Copy`."""
        lists = [path for half in ("train", "test") if (path := self._list(half)) is not None]
        photos = [f"{name}:{state}" for name, state in self._photos().items()]
        return short_digest(*photos, *(file_state(path) for path in lists), str(self._annotations))

    def names(self) -> set[str]:
        """See `Copy`."""
        return set(self._photos())

    def photo(self, name: str) -> bytes:
        """See `Copy`."""
        return _read_bounded(self._images / name)

    def annotation(self, name: str) -> bytes | None:
        """See `Copy`."""
        path = self._annotations and self._annotations / name.removesuffix(".jpg")
        return _read_bounded(path) if path and path.is_file() else None

    def official_list(self, half: str) -> bytes | None:
        """See `Copy`."""
        path = self._list(half)
        return None if path is None else _read_bounded(path)

    @property
    def _images(self) -> Path:
        found = _first_folder(self.folder / "images" / "Images", self.folder / "Images")
        if found is None:
            raise UserError(f"{self.folder} no longer holds Images; put it back")
        return found

    @property
    def _annotations(self) -> Path | None:
        return _first_folder(self.folder / "annotations" / "Annotation", self.folder / "Annotation")

    def _list(self, half: str) -> Path | None:
        names = (f"lists/{half}_list.mat", f"{half}_list.mat")
        return next((path for name in names if (path := self.folder / name).is_file()), None)

    def _photos(self) -> dict[str, str]:
        """Return the state of each photo."""
        return {
            f"{breed.name}/{photo.name}": file_state(photo)
            for breed in entries(self._images)
            if breed.is_dir()
            for photo in entries(breed.path)
            if photo.name.endswith(".jpg")
        }


class Archives(Copy):
    """The official archives images.tar, annotation.tar and lists.tar; nothing is unpacked to disk."""

    @classmethod
    def find(cls, folder: Path) -> "Archives | None":
        """Return the archives in `folder`, if images.tar is there."""
        return cls(folder) if (folder / "images.tar").is_file() else None

    def state(self) -> str:
        """See `Copy`."""
        files = (self.folder / name for name in ("images.tar", "annotation.tar", "lists.tar"))
        return short_digest(*(file_state(path) for path in files if path.is_file()))

    def names(self) -> set[str]:
        """See `Copy`."""
        return {name for name in self._members("images.tar") if name.endswith(".jpg")}

    def photo(self, name: str) -> bytes:
        """See `Copy`."""
        return self._content("images.tar", name)

    def annotation(self, name: str) -> bytes | None:
        """See `Copy`."""
        name = name.removesuffix(".jpg")
        return self._content("annotation.tar", name) if name in self._members("annotation.tar") else None

    def official_list(self, half: str) -> bytes | None:
        """See `Copy`."""
        name = f"{half}_list.mat"
        return self._content("lists.tar", name) if name in self._members("lists.tar") else None

    @functools.cache  # noqa: B019  (lives as long as one preparation)
    def _members(self, archive: str) -> dict[str, tuple[int, int]]:
        """Return where each regular file lies, by its last two path components (one if there is only one)."""
        path = self.folder / archive
        if not path.is_file():
            return {}
        try:
            with tarfile.open(path, "r:") as tar:
                files = [member for member in tar if member.isreg()]
        except (tarfile.TarError, OSError, EOFError) as error:
            raise UserError(f"{path} is not a whole tar archive ({error}); download it again") from error
        parts = [(PurePosixPath(file.name).parts, file) for file in files]
        return {"/".join(name[-2:]): (file.offset_data, file.size) for name, file in parts if name[-1][0] != "."}

    def _content(self, archive: str, name: str) -> bytes:
        offset, size = self._members(archive)[name]
        with (self.folder / archive).open("rb") as file:
            file.seek(offset)
            return _bounded(file.read(min(size, MAX_BYTES + 1)), f"{name} in {archive}")


def find_copy(folder: Path) -> Copy | None:
    """Return the copy that `folder` holds, archives before a tree, or None."""
    return Archives.find(folder) or Tree.find(folder)


def _listed(content: bytes) -> set[str]:
    from scipy.io import loadmat

    try:
        return {str(name[0][0]) for name in loadmat(io.BytesIO(content))["file_list"]}
    except Exception:  # whatever it is, it is not the official list
        return set()


def _first_folder(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_dir()), None)


def _read_bounded(path: Path) -> bytes:
    try:
        return read_file(path, MAX_BYTES)
    except ValueError as error:
        raise UserError(f"{path} is {error}; replace or remove it") from error


def _bounded(content: bytes, name: str) -> bytes:
    if len(content) > MAX_BYTES:
        raise UserError(f"{name} is larger than {MAX_BYTES >> 20} MiB; replace or remove it")
    return content
