"""Copies of data sets that tfds has prepared, read without TensorFlow."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol


class Records(Protocol):
    """Examples by their row."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> dict[str, Any]: ...


def read(folder: Path, split: str, image: str = "image") -> Records:
    """Return the examples of one split of a copy, images as they are stored.

    Args:
        folder: The copy: features.json, dataset_info.json and shards in array_record or TFRecord.
        split: Its name.
        image: Name of the image among its features.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(folder)
    decoders = {image: tfds.decode.SkipDecoding()}
    if builder.info.file_format == tfds.core.FileFormat.TFRECORD:
        paths = [Path(shard.filename) for shard in builder.info.splits[split].file_instructions]
        return _TFRecords(paths, lambda data: builder.info.features.deserialize_example_np(data, decoders=decoders))
    return builder.as_data_source(split, decoders=decoders)


class _TFRecords:
    """Random access to TFRecord shards, which tfds reads through TensorFlow alone.

    A record is its length (8 bytes), a checksum of that (4), the data, and a checksum of them (4): TensorFlow
    `core/lib/io/record_writer.h`. The checksums are not compared.
    """

    def __init__(self, paths: Sequence[Path], parse: Callable[[bytes], dict[str, Any]]):
        self._parse = parse
        self._places = [(path, *place) for path in paths for place in self._scan(path)]

    @staticmethod
    def _scan(path: Path) -> list[tuple[int, int]]:
        places, position, end = [], 0, path.stat().st_size
        with path.open("rb") as file:
            while position < end:
                file.seek(position)
                (length,) = struct.unpack("<Q", file.read(8))
                places.append((position + 12, length))
                position += length + 16
        if position != end:
            raise ValueError(f"{path.name} is cut short")
        return places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int, /) -> dict[str, Any]:
        path, offset, length = self._places[row]
        with path.open("rb") as file:
            file.seek(offset)
            return self._parse(file.read(length))
