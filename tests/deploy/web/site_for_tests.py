"""The site's data folder, a network that anybody can work out by hand, and photos for it."""

import atexit
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from kerasqueeze.deploy.classifier import Classifier
from kerasqueeze.models.card import Card

DATA = Path(tempfile.mkdtemp(prefix="kerasqueeze-web-"))
atexit.register(shutil.rmtree, DATA, ignore_errors=True)
SIDE = 16
NAMES = (
    "n00000001-red_thing",
    "green thing",
    "blue thing",
    "white thing",
    "=black thing",
    "grey thing",
    "yellow thing",
)
COLOURS = np.array(
    [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (255, 255, 0)], np.float32
)


class Painter(Classifier):
    """Says which of some colours each place is nearest to; the logits are the means of these maps."""

    runtime = "numpy"
    has_maps = True

    def __init__(self, resize: str = "crop", **origin):
        super().__init__(Card(NAMES, SIDE, resize=resize, origin={"name": "painter", **origin}))

    def maps(self, images):
        distance = np.linalg.norm(images[..., None, :].astype(np.float32) - COLOURS, axis=-1)
        found = (6 - distance / 32).astype(np.float32)
        return found.mean(axis=(1, 2)), found

    def logits(self, images):
        return self.maps(images)[0]


def encoded(image: Image.Image, form: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def plain(colour="red", size=(48, 48)) -> Image.Image:
    return Image.new("RGB", size, colour)


def photo(colour="red", size=(48, 48), form="PNG", **options) -> bytes:
    return encoded(plain(colour, size), form, **options)
