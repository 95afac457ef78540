"""A tfds builder for a copy of Stanford Dogs that is already on disk, in either of the forms people have.

tfds' own builder downloads the official archives and accepts nothing else; this one reads DIR, given as `manual_dir`:

    DIR/images.tar, DIR/annotation.tar, DIR/lists.tar                     the official archives
    DIR/images/Images/<wnid>-<Breed>/<wnid>_<n>.jpg                       Kaggle's tree (or DIR/Images/...)
    DIR/annotations/Annotation/<wnid>-<Breed>/<wnid>_<n>                  (or DIR/Annotation/...)
    DIR/lists/{train,test}_list.mat

Only the images are needed: the official split is in this package (lists that say otherwise are refused), and photos
without annotation have no boxes. Features, names and labels are those of `stanford_dogs/0.2.0`; examples are in the
official order. It needs no TensorFlow with `file_format="array_record"`. Photos are copied, not decoded.

The module imports tfds, so import it where it is used.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from kerasqueeze.data.progress import Progress
from kerasqueeze.data.sets.stanford_dogs.copies import Copy, OfficialSplit, find_copy, official_split
from kerasqueeze.errors import UserError


class StanfordDogsLocal(tfds.core.GeneratorBasedBuilder):
    """Stanford Dogs from a local copy; see the module.

    Args:
        split: Which photos there are, and in which half.
        progress: Told how many photos are copied.
        kwargs: As for every tfds builder; give `data_dir` and `file_format="array_record"`.
    """

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "manual_dir is the folder of the archives or of Kaggle's tree"

    def __init__(self, *, split: OfficialSplit | None = None, progress: Progress | None = None, **kwargs: Any):
        self._split = split or official_split()
        self._progress = progress or Progress()
        super().__init__(**kwargs)

    def _log_download_bytes(self) -> None:
        """Say nothing where tfds prints an announcement; `progress` is told what matters."""

    def _log_download_done(self) -> None:
        """Say nothing here either."""

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Stanford Dogs (120 breeds) from a local copy, official split.",
            homepage="http://vision.stanford.edu/aditya86/ImageNetDogs/",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(encoding_format="jpeg"),
                    "image/filename": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=[name.lower() for name in self._split.class_names]),
                    "objects": tfds.features.Sequence({"bbox": tfds.features.BBoxFeature()}),
                }
            ),
            supervised_keys=("image", "label"),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[int, Any]]]:
        copy = find_copy(Path(dl_manager.manual_dir))
        if copy is None:
            raise UserError(f"{dl_manager.manual_dir} holds neither images.tar nor images/Images")
        copy.check(self._split)
        return {"train": self._generate_examples(copy, "train"), "test": self._generate_examples(copy, "test")}

    def _generate_examples(self, copy: Copy, half: str) -> Iterator[tuple[int, dict[str, Any]]]:
        names, labels = self._split.half(half)
        for position, name in enumerate(names):
            yield (
                position,
                {
                    "image": copy.photo(name),
                    "image/filename": f"Images/{name}",
                    "label": int(labels[position]),
                    "objects": [{"bbox": box} for box in _boxes(name, copy.annotation(name))],
                },
            )
            self._progress.update(f"copying {half}", position + 1, len(names))


def _boxes(name: str, xml: bytes | None) -> list[tfds.features.BBox]:
    """Return the boxes of one annotation (Pascal VOC XML) as shares of height and width."""
    if xml is None:
        return []
    try:
        root = ElementTree.fromstring(xml)
        height, width = (_number(root, f"size/{side}") for side in ("height", "width"))
        return [
            tfds.features.BBox(
                ymin=min(_number(box, "ymin") / height, 1.0),
                xmin=min(_number(box, "xmin") / width, 1.0),
                ymax=min(_number(box, "ymax") / height, 1.0),
                xmax=min(_number(box, "xmax") / width, 1.0),
            )
            for box in root.iterfind("object/bndbox")
        ]
    except (ElementTree.ParseError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"the annotation of {name} is damaged ({error}); replace or remove it") from error


def _number(element: ElementTree.Element, path: str) -> float:
    return float(element.findtext(path, ""))
