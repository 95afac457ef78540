"""ImageNet's own network on real photos that it has not seen, through every runtime."""

import numpy as np
import pytest

from kerasqueeze.deploy import labelled, photos
from kerasqueeze.deploy.export import check, run
from kerasqueeze.deploy.runtimes import open_model

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def imagenet(real_weights):
    (path,) = real_weights.glob("squeezenet1_1-7*.pth")
    return open_model("imagenet:squeezenet1_1", weights=str(path))


@pytest.fixture(scope="module")
def pets(real_data, imagenet):
    found = photos.find([str(real_data / "oxford_pet_dogs")])[::5]
    return np.stack([photos.prepare(photo.source, imagenet.card) for photo in found])


def test_folders_named_by_wordnet_are_matched_and_mostly_right(real_data, imagenet):
    found = labelled.of_folder(imagenet, real_data / "oxford_pet_dogs")
    right = found.logits.argmax(1) == found.labels
    assert len(found.classes) == 21 and not found.broken
    assert 0.6 < right.mean() < 0.75  # among all 1000; 0.68 among the 120 dogs


@pytest.mark.parametrize(
    ("format", "quantize", "same"),
    [
        ("onnx", "none", 1.0),
        ("onnx", "int8", 0.97),
        ("onnx", "int6", 0.93),
        ("onnx", "int5", 0.87),
        ("litert", "int8", 0.93),
    ],
)
def test_exports_say_what_keras_says(imagenet, pets, tmp_path, monkeypatch, format, quantize, same):
    monkeypatch.setattr(check, "LEAST_SECONDS", 0.0)
    if format == "litert":
        pytest.importorskip("litert_converter")
    path = tmp_path / f"x{run.module_of(format, quantize).suffix(quantize)}"
    agreement = run.export(imagenet, path, format, quantize, pets[::2], pets[1::2])
    assert agreement.same_class >= same
