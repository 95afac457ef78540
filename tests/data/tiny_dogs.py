"""Stanford Dogs in small: three breeds, photos of noise, the official structure in each of its forms."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from kerasqueeze.data.sets.stanford_dogs.copies import OfficialSplit

BREEDS = ("n02085620-Chihuahua", "n02085782-Japanese_spaniel", "n02110806-basenji")
TRAIN, TEST = 4, 2


def split() -> OfficialSplit:
    """Return the split: of each breed photos 1 to 4 to train on, 5 and 6 to test on."""

    def names(numbers: range) -> tuple[str, ...]:
        return tuple(f"{breed}/{breed[:9]}_{number}.jpg" for breed in BREEDS for number in numbers)

    return OfficialSplit(BREEDS, names(range(1, TRAIN + 1)), names(range(TRAIN + 1, TRAIN + TEST + 1)))


def pixels(name: str) -> np.ndarray:
    """Return what the photo shows: one colour, so that JPEG keeps it, that tells the photos apart."""
    names = [*split().train, *split().test]
    return np.full((40, 50, 3), 10 * names.index(name), np.uint8)


def photo(name: str) -> bytes:
    """Return the photo as JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels(name)).save(file, "JPEG", quality=95)
    return file.getvalue()


def annotation(name: str) -> bytes:
    """Return the photo's annotation: two boxes, the second one beyond the right edge."""
    boxes = "".join(
        f"<object><name>dog</name><bndbox><xmin>{left}</xmin><ymin>4</ymin><xmax>{right}</xmax><ymax>30</ymax></bndbox>"
        "</object>"
        for left, right in ((5, 25), (10, 51))
    )
    return f"<annotation><size><width>50</width><height>40</height></size>{boxes}</annotation>".encode()


def list_mat(half: str) -> bytes:
    """Return train_list.mat or test_list.mat, in the structure of the official ones; the same bytes at any time."""
    names, labels = split().half(half)
    cells = np.empty((len(names), 1), dtype=object)
    cells[:, 0] = names
    file = io.BytesIO()
    savemat(file, {"file_list": cells, "labels": labels[:, None] + 1})
    return b"MATLAB 5.0 MAT-file".ljust(116) + file.getvalue()[116:]  # in place of a text with the second of writing


def files() -> dict[str, bytes]:
    """Return all files of the unpacked archives: Images/..., Annotation/... and the lists."""
    names = [*split().train, *split().test]
    return (
        {f"Images/{name}": photo(name) for name in names}
        | {f"Annotation/{name.removesuffix('.jpg')}": annotation(name) for name in names}
        | {f"{half}_list.mat": list_mat(half) for half in ("train", "test")}
    )


def write_tree(folder: Path, *, lists: bool = True, annotations: bool = True) -> Path:
    """Write Kaggle's tree."""
    for name, content in files().items():
        kind = "images" if name.startswith("Images") else "annotations" if name.startswith("Annot") else "lists"
        if {"lists": lists, "annotations": annotations}.get(kind, True):
            path = folder / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


def write_archives(folder: Path, extra: dict[str, bytes] | None = None) -> Path:
    """Write the three archives; `extra` goes into images.tar as well."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = files()
    for archive, start in (("images.tar", "Images/"), ("annotation.tar", "Annotation/"), ("lists.tar", "t")):
        content = {name: data for name, data in everything.items() if name.startswith(start)}
        with tarfile.open(folder / archive, "w") as tar:
            for name, data in (content | (extra or {} if archive == "images.tar" else {})).items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return folder
