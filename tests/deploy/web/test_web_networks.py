"""The site on networks that Keras computes, and the command as a user types it."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from site_for_tests import DATA, NAMES, SIDE, photo

from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier
from kerasqueeze.deploy.web import network
from kerasqueeze.deploy.web.models import Prediction
from kerasqueeze.deploy.web.network import Network
from kerasqueeze.models import card
from kerasqueeze.models.card import Card

pytestmark = pytest.mark.usefixtures("quick_compilation")
ROOT = Path(__file__).parents[3]


def dense_head() -> keras.Model:
    """Return a network whose head is dense, so that it has no maps of its own."""
    pixels = keras.Input((SIDE, SIDE, 3))
    features = layers.Conv2D(8, 3, activation="relu", padding="same")(layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, layers.Dense(len(NAMES))(layers.GlobalAveragePooling2D()(features)))


def convolution_head() -> keras.Model:
    """Return a network whose logits are the means of its maps."""
    pixels = keras.Input((SIDE, SIDE, 3))
    maps = layers.Conv2D(len(NAMES), 1, name="conv")(layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, layers.GlobalAveragePooling2D()(maps))


def test_a_network_without_maps_gets_grad_cam(client, send):
    keras.utils.set_random_seed(0)
    used = Network(KerasClassifier(dense_head(), Card(NAMES, SIDE, origin={"name": "dense"})))
    network.use(used)
    try:
        url = send(photo("yellow")).url
    finally:
        used.close()
    row = Prediction.objects.get()
    assert row.explanation == "Grad-CAM" and row.network == "dense"
    assert b"(Grad-CAM)" in client.get(url).content
    assert len(list((DATA / "data" / "photos").rglob("heat-*.png"))) == 5


def test_the_command_as_typed_serves_a_file_and_writes_in_its_data_folder_alone(tmp_path):
    keras.utils.set_random_seed(1)
    model = convolution_head()
    weights = np.zeros((1, 1, 3, len(NAMES)))
    weights[0, 0, 0, 0] = weights[0, 0, 1, 1] = weights[0, 0, 2, 2] = 9  # red, green, blue
    model.get_layer("conv").set_weights([weights, np.zeros(len(NAMES))])
    model.save(tmp_path / "tiny.keras")
    card.add(tmp_path / "tiny.keras", Card(NAMES, SIDE))
    home = tmp_path / "home"
    home.mkdir()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("KERASQUEEZE", "DATABASE"))}
    words = ["--model", "../tiny.keras", "--port", "0", "--data", "../data", "--host", "localhost"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kerasqueeze", "serve", *words],
        cwd=home,
        env={**clean, "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"Serving tiny at (http://localhost:\d+)/", line)
        assert found, line + process.communicate()[1]
        body = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n' + photo("blue")
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        request = urllib.request.Request(f"{found[1]}/api/v1/predict", body + b"\r\n--x--\r\n", kind)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert b'"label": "blue thing", "probability": 0.99' in answer.read()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out, err) == (0, "Stopped\n", "")
    assert not list(home.rglob("*"))
    for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
