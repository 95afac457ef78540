import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch_files as write

import kerasqueeze
from kerasqueeze.data.decode import read_photo
from kerasqueeze.errors import UserError
from kerasqueeze.models.weights import port_check

pytestmark = pytest.mark.usefixtures("quick_compilation")
SCRIPT = Path(kerasqueeze.__file__).parents[1] / "scripts" / "check_port.py"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "seeded.pth"
    path.write_bytes(write.network(port_check.seeded_state_dict("1.1")))
    return path


@pytest.fixture(scope="module")
def findings(weights):
    return list(port_check.check(weights, "1.1", read_photo))


def test_the_port_is_proved(findings):
    assert [str(finding) for finding in findings if not finding.passed] == []


def test_model_and_preprocessing_are_reported_apart(findings):
    kinds = [finding.what.partition(":")[0] for finding in findings if finding.what.endswith("stored")]
    of_model, of_both = 2 * len(port_check.SIZES), 2 * len(port_check.PHOTOS)
    assert sorted(set(kinds)) == ["model error", "photo file to logits", "preprocessing error in grey levels"]
    assert [kinds.count(kind) for kind in sorted(set(kinds))] == [of_model, of_both, len(port_check.PHOTOS)]


def test_an_error_in_the_weights_is_the_models(tmp_path):
    tensors = port_check.seeded_state_dict("1.1")
    expected = port_check.references()[f"{port_check.fingerprint(port_check.seeded_weights('1.1'))}/64"]
    tensors["features.12.expand3x3.weight"] = tensors["features.12.expand3x3.weight"].transpose(0, 1, 3, 2)
    path = tmp_path / "turned.pth"
    path.write_bytes(write.network(tensors))
    model = kerasqueeze.SqueezeNet1_1(weights=path, input_shape=(64, 64, 3), classifier_activation=None)
    assert port_check.logit_error(model, port_check.seeded_pixels(64), expected) > port_check.LOGIT_LIMIT
    assert not port_check.is_known(path, "1.1")


def test_an_error_in_the_pixels_is_the_preprocessings(weights, monkeypatch):
    of_photos = {key: value for key, value in port_check.references().items() if key.endswith(".jpg")}
    monkeypatch.setattr(port_check, "references", lambda: of_photos)

    def shifted(path, size, resize):
        return np.roll(read_photo(path, size, resize), 1, axis=1)

    failed = [finding for finding in port_check.check(weights, "1.1", shifted) if not finding.passed]
    assert {finding.what.partition(":")[0] for finding in failed} == {
        "photo file to logits",
        "preprocessing error in grey levels",
    }


def test_an_unknown_variant_is_refused(weights):
    with pytest.raises(UserError, match=r"choose from: 1\.0, 1\.1"):
        list(port_check.check(weights, "1.2", read_photo))


@pytest.mark.real_data
def test_the_script_proves_the_real_weights_and_names_a_photo(real_weights, real_data):
    (weights,) = real_weights.glob("squeezenet1_1-*.pth")
    photo = real_data / "imagenet" / "0001_n01443537_goldfish.jpg"
    command = [sys.executable, str(SCRIPT), "--weights", str(weights), "--photos", str(photo)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "FAILED" not in done.stdout
    assert f"model error: {weights.name}, 224, stored" in done.stdout
    assert f"{photo.name}: goldfish 0.9" in done.stdout
