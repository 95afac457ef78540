"""Hashes that prove what was the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasqueeze
from kerasqueeze.data import datasets
from kerasqueeze.errors import UserError
from kerasqueeze.training import provenance, runner
from kerasqueeze.training.experiment import Experiment

TINY = Experiment(name="tiny", about="", dataset="digits", image_size=32, limit=12, batch_size=24)


@pytest.fixture(scope="module")
def data():
    return datasets.load("digits", image_size=32, limit=12)


def hashes(data, seed=0, **changes):
    model, network = runner.training_model(TINY.override(**changes), data, seed)
    return provenance.of_weights(network), provenance.of_first_batch(data.train.batch(range(24)), model)


def test_arms_of_a_seed_are_alike_and_seeds_are_not(data):
    adam, amsgrad, other = hashes(data), hashes(data, optimizer="amsgrad"), hashes(data, seed=1)
    assert adam == amsgrad
    assert adam[0] != other[0]
    assert adam[1] != other[1]  # the same photos, other augmentation


def test_every_weight_and_every_pixel_counts(data):
    model, network = runner.training_model(TINY, data, 0)
    weights, (pixels, labels) = provenance.of_weights(network), data.train.batch(range(24))
    first = provenance.of_first_batch((pixels, labels), model)
    bias = network.get_layer("conv10").bias
    bias.assign(np.asarray(bias) + 1e-7)
    assert provenance.of_weights(network) != weights
    assert provenance.of_first_batch((pixels, labels), model) == first
    changed = pixels.copy()
    changed[3, 1, 1, 0] ^= 1
    assert provenance.of_first_batch((changed, labels), model) != first
    assert provenance.of_first_batch((pixels, labels[::-1]), model) != first


def code_hash(package: Path) -> str:
    code = "from kerasqueeze.training import provenance; print(provenance.of_code())"
    environment = {**os.environ, "KERASQUEEZE_CACHE": str(package.parent / "cache")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=package.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.strip()


@pytest.mark.slow
def test_the_hash_of_the_code_is_that_of_what_it_does(tmp_path):
    package, cache = tmp_path / "kerasqueeze", tmp_path / "cache" / "code"
    shutil.copytree(Path(kerasqueeze.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    before, path = code_hash(package), package / "training" / "losses.py"
    (kept,) = cache.iterdir()
    assert kept.read_text() == before
    text = path.read_text()
    path.write_text(text.replace('"""The loss of the study."""', '"""Another."""\n\n# a comment') + "\n\n")
    assert code_hash(package) == before
    path.write_text(text.replace("1 - self.smoothing", "2 - self.smoothing"))
    changed = code_hash(package)
    assert changed != before and len(list(cache.iterdir())) == 3
    for file in cache.iterdir():
        file.write_text("not a hash")
    assert code_hash(package) == changed
    shutil.rmtree(cache.parent)
    cache.parent.write_text("no folder")  # nothing can be kept
    assert code_hash(package) == changed


def test_weights_are_named_by_what_they_hold(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w.pth").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of "abc", FIPS 180-2, appendix B.1
    assert provenance.weights_file(str(tmp_path / "a" / "w.pth")) == {"file": "w.pth", "sha256": known}
    assert provenance.weights_file(str(tmp_path / "b" / "w.pth"))["sha256"] == known
    with pytest.raises(UserError, match="no weights file at"):
        provenance.weights_file(str(tmp_path / "c.pth"))


def test_the_learning_phase_does_not_enter(data):
    """Running the network changes no weight, so not the hash."""
    _, network = runner.training_model(TINY, data, 0)
    before = provenance.of_weights(network)
    network(np.zeros((1, 32, 32, 3), "float32"), training=True)
    assert provenance.of_weights(network) == before
    assert isinstance(network, keras.Model)
