import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
import tiny_dogs

from kerasqueeze.data.sets.stanford_dogs.local import StanfordDogsLocal
from kerasqueeze.errors import UserError


def prepared(manual_dir, data_dir, progress=None) -> StanfordDogsLocal:
    data_dir.mkdir()
    builder = StanfordDogsLocal(
        split=tiny_dogs.split(), progress=progress, data_dir=data_dir, file_format="array_record"
    )
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=manual_dir))
    return builder


@pytest.mark.parametrize("write", [tiny_dogs.write_tree, tiny_dogs.write_archives])
def test_every_example(write, tmp_path, heard):
    builder = prepared(write(tmp_path / "in"), tmp_path / "out", heard)
    for half in ("train", "test"):
        names, labels = tiny_dogs.split().half(half)
        examples = builder.as_data_source(half, decoders={"image": tfds.decode.SkipDecoding()})
        assert len(examples) == len(names)
        for example, name, label in zip(examples, names, labels, strict=True):
            assert example["image/filename"].decode() == f"Images/{name}"
            assert example["image"] == tiny_dogs.photo(name) and example["label"] == label
            boxes = np.array(example["objects"]["bbox"])  # ymin, xmin, ymax, xmax; the second one is cut at the edge
            np.testing.assert_allclose(boxes, [[0.1, 0.1, 0.75, 0.5], [0.1, 0.2, 0.75, 1.0]], rtol=1e-6)
    assert heard.updates[-1] == ("copying test", 6, 6)
    assert "tensorflow" not in sys.modules


def test_features_are_the_official_ones(tmp_path):
    builder = StanfordDogsLocal(data_dir=tmp_path, file_format="array_record")
    official = tfds.builder("stanford_dogs", data_dir=tmp_path).info.features
    assert {name: repr(feature) for name, feature in builder.info.features.items() if name != "image"} == {
        name: repr(feature) for name, feature in official.items() if name != "image"
    }
    assert builder.info.features["label"].num_classes == 120
    assert builder.info.features["label"].int2str(0) == "n02085620-chihuahua"


def test_a_copy_without_annotations_has_no_boxes(tmp_path):
    builder = prepared(tiny_dogs.write_tree(tmp_path / "in", annotations=False), tmp_path / "out")
    example = builder.as_data_source("test", decoders={"image": tfds.decode.SkipDecoding()})[0]
    assert len(example["objects"]["bbox"]) == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"<annotation>", b"<a><object><bndbox/></object></a>", tiny_dogs.annotation("").replace(b"50", b"0")],
)
def test_damaged_annotation_is_named(content, tmp_path):
    folder = tiny_dogs.write_tree(tmp_path / "in")
    name = tiny_dogs.split().test[1]
    (folder / "annotations" / "Annotation" / name.removesuffix(".jpg")).write_bytes(content)
    with pytest.raises(UserError, match=f"the annotation of {name} is damaged"):
        prepared(folder, tmp_path / "out")


def test_incomplete_copy_is_refused(tmp_path):
    folder = tiny_dogs.write_tree(tmp_path / "in")
    (folder / "images" / "Images" / tiny_dogs.split().test[1]).unlink()
    with pytest.raises(UserError, match="lacks 1 of 18 photos"):
        prepared(folder, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x").touch()
    with pytest.raises(UserError, match=r"holds neither images\.tar nor images/Images"):
        prepared(tmp_path / "empty", tmp_path / "out2")
