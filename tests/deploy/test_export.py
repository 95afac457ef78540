"""Exports: kept only when they agree, whole or not at all, refused in words where they cannot be."""

import subprocess
import sys

import numpy as np
import pytest
from deploy_networks import classifier, images

from kerasqueeze.commands import options
from kerasqueeze.deploy.export import FORMATS, check, run, to_litert, to_onnx, to_safetensors
from kerasqueeze.deploy.export.check import Agreement
from kerasqueeze.deploy.runtimes import open_model
from kerasqueeze.errors import UserError

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(autouse=True)
def quick_timing(monkeypatch):
    monkeypatch.setattr(check, "LEAST_SECONDS", 0.0)


@pytest.mark.parametrize(("format", "quantize"), [("onnx", "none"), ("onnx", "int8"), ("safetensors", "float16")])
def test_an_export_agrees_with_keras_and_opens_again(tiny, tmp_path, format, quantize):
    path = tmp_path / f"x{run.module_of(format, quantize).suffix(quantize)}"
    agreement = run.export(tiny, path, format, quantize, images(20))
    assert agreement.photos == 20
    assert agreement.same_class >= 0.9
    assert agreement.relative < check.LIMITS[quantize]
    found = open_model(str(path))
    assert found.card == tiny.card
    difference = np.abs(found.logits(images(20)) - tiny.logits(images(20))).max()
    assert difference == pytest.approx(agreement.largest, rel=1e-3, abs=1e-6)


def test_an_export_that_disagrees_leaves_nothing_and_what_was_there_stays(tiny, tmp_path, monkeypatch):
    path = tmp_path / "x.onnx"
    path.write_bytes(b"precious")
    honest = to_onnx.to_bytes
    other = classifier(classes=tiny.card.class_names)
    head = other.network.get_layer("conv10").kernel
    head.assign(-np.asarray(head))
    monkeypatch.setattr(to_onnx, "to_bytes", lambda *_: honest(other))
    with pytest.raises(UserError, match="the exported file disagrees with Keras, so it is not kept"):
        run.export(tiny, path, "onnx", images=images(4))
    assert path.read_bytes() == b"precious"
    assert [found.name for found in tmp_path.iterdir()] == ["x.onnx"]


def test_a_file_with_other_classes_is_refused(tiny, tmp_path, monkeypatch):
    other = classifier(classes=("a", "b", "c", "d", "e"))
    honest = to_onnx.to_bytes
    monkeypatch.setattr(to_onnx, "to_bytes", lambda *_: honest(other))
    with pytest.raises(UserError, match="does not say of itself what the network's model card says"):
        run.export(tiny, tmp_path / "x.onnx", "onnx", images=images(4))
    assert not list(tmp_path.iterdir())


def test_agreement_is_measured_as_it_says():
    """By hand: Keras' logits ±1 around their mean, the file's off by 0.5 in one of four."""
    expected = np.array([[1.0, -1.0], [-1.0, 1.0]], np.float32)

    class Fixed:
        card = "same"

        def __init__(self, logits):
            self.fixed = logits

        def logits(self, images):
            return self.fixed

    off = expected + np.array([[0.0, 0.5], [0.0, 0.0]], np.float32)
    found = check.compare(Fixed(expected), Fixed(off), np.zeros((2, 1)))  # type: ignore[arg-type]
    assert (found.largest, found.relative, found.same_class) == (0.5, 0.25, 1.0)


@pytest.mark.parametrize("relative", [float("nan"), 1.0])
def test_disagreement_that_is_no_number_is_disagreement(relative):
    with pytest.raises(UserError, match="disagrees"):
        check.require(Agreement(1, 0.0, relative, 1.0, 1.0, 1.0), "int8")


def test_sample_images_are_photos_of_the_size():
    found = check.sample_images(48)
    assert found.shape == (check.SAMPLES, 48, 48, 3)
    assert len({image.tobytes() for image in found}) == check.SAMPLES
    assert found.std() > 30


def test_formats_and_quantisations_that_are_not_there_are_named():
    with pytest.raises(UserError, match="unknown format 'tflite'; choose from: litert, onnx, safetensors, saved_model"):
        run.module_of("tflite", "none")
    with pytest.raises(
        UserError, match="safetensors files have no weights stored as 'int5'; choose from: none, float16"
    ):
        run.module_of("safetensors", "int5")
    assert set(FORMATS) == {"onnx", "litert", "safetensors", "saved_model"}


def test_safetensors_are_the_variables_for_other_programs(tiny, tmp_path):
    from safetensors.numpy import load_file

    to_safetensors.write(tiny, tmp_path / "x.safetensors")
    tensors = load_file(tmp_path / "x.safetensors")
    np.testing.assert_array_equal(tensors["conv1/kernel"], np.asarray(tiny.network.get_layer("conv1").kernel))
    assert len(tensors) == len(tiny.network.weights)
    to_safetensors.write(tiny, tmp_path / "y.safetensors")
    assert (tmp_path / "x.safetensors").read_bytes() == (tmp_path / "y.safetensors").read_bytes()


def test_int8_safetensors_can_be_restored_by_hand(tiny, tmp_path):
    from safetensors.numpy import load_file

    to_safetensors.write(tiny, tmp_path / "x.safetensors", "int8")
    tensors = load_file(tmp_path / "x.safetensors")
    kernel = tiny.network.get_layer("fire9_expand3x3").kernel
    assert tensors["fire9_expand3x3/kernel"].dtype == np.int8
    restored = tensors["fire9_expand3x3/kernel"] * tensors["fire9_expand3x3/kernel_scale"]
    assert np.abs(restored - np.asarray(kernel)).max() <= tensors["fire9_expand3x3/kernel_scale"].max() / 2 * 1.001


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_damaged_safetensors_are_refused_in_a_line(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.safetensors is damaged, or no file"):
        open_model(str(tmp_path / "x.safetensors"))


def test_a_saved_model_without_tensorflow_says_what_to_install(tiny, tmp_path):
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match=r"needs TensorFlow; install it: pip install 'kerasqueeze\[tensorflow\]'"):
            run.export(tiny, tmp_path / "x.zip", "saved_model", images=images(2))
        assert not list(tmp_path.iterdir())
    else:
        agreement = run.export(tiny, tmp_path / "x.zip", "saved_model", images=images(5))
        assert agreement.largest < 1e-3


def has_litert() -> bool:
    return not subprocess.run(
        [sys.executable, "-c", "import ai_edge_litert, litert_converter, litert_quantizer"]
    ).returncode


@pytest.mark.skipif(not has_litert(), reason="ai-edge-litert, litert-converter and litert-quantizer are not installed")
class TestLitert:
    @pytest.mark.parametrize("quantize", ["none", "float16", "int8"])
    def test_it_agrees_with_keras_for_any_number_of_images(self, tiny, tmp_path, quantize):
        path = tmp_path / "x.tflite"
        run.export(tiny, path, "litert", quantize, images(6))
        found = open_model(str(path))
        assert found.card == tiny.card
        limit = {"none": 1e-4, "float16": 2e-3, "int8": 0.1}[quantize] * tiny.logits(images(40)).std()
        for count in (1, 5, 2, 40):
            assert np.abs(found.logits(images(count)) - tiny.logits(images(count))).max() < limit
        logits, maps = found.maps(images(3))
        np.testing.assert_allclose(maps.mean((1, 2)), logits, atol=limit)

    @pytest.mark.slow
    def test_the_same_network_gives_the_same_bytes(self, tiny, tmp_path):
        for name in ("a.tflite", "b.tflite"):
            to_litert.write(tiny, tmp_path / name, "int8")
        assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()

    @pytest.mark.parametrize("content", [b"", b"    TFL3" + bytes(40), b"\xff" * 64])
    def test_damaged_files_are_refused_in_a_line(self, tmp_path, content):
        (tmp_path / "x.tflite").write_bytes(content)
        with pytest.raises(UserError, match=r"x\.tflite (is damaged, or no LiteRT file|has no model card)"):
            open_model(str(tmp_path / "x.tflite"))


def test_the_options_name_what_there_is():
    """The command's choices are written out, so that its help needs no package."""
    from kerasqueeze.commands import export
    from kerasqueeze.deploy.export.quantized import FEW, NAMES

    assert tuple(FORMATS) == export.FORMATS
    assert export.QUANTIZE == NAMES
    assert export.FEW == FEW
    assert isinstance(export.parser(), options.Parser)
