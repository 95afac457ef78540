"""The site as a user starts it, on ImageNet's network, and a photo of a dog in Chromium."""

import os
import re
import signal
import subprocess
import sys

import browser_for_tests
import pytest
from browser_for_tests import ROOT, Visitor

from kerasqueeze.models.imagenet_classes import imagenet_classes

pytestmark = [pytest.mark.browser, pytest.mark.real_data]
DOGS = slice(151, 269)
"""ImageNet's breeds of dogs, Chihuahua to Mexican hairless."""


@pytest.fixture(scope="session", autouse=True)
def database():
    """The site is a process of its own: nothing of it is needed in this one."""


@pytest.fixture(autouse=True)
def used():
    """As `database`."""


@pytest.fixture(scope="module")
def browser():
    yield from browser_for_tests.chromium()


@pytest.fixture
def origin(tmp_path, real_weights):
    """Serve as typed; return the address."""
    weights = real_weights / "squeezenet1_1-787c40f1.pth"
    words = ["--model", "imagenet:squeezenet1_1", "--weights", weights, "--port", "0", "--data", tmp_path / "data"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kerasqueeze", "serve", *map(str, words)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        found = re.search(r"Serving squeezenet1_1 at (http://127\.0\.0\.1:\d+)/", process.stdout.readline())
        assert found
        yield found[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("breed", ["n02085620-Chihuahua", "n02088364-beagle"])
def test_a_dog_is_called_a_dog_and_the_map_shows_where(browser, origin, real_data, breed):
    photos = sorted((real_data / "oxford_pet_dogs" / breed).glob("*.jpg"))
    if not photos:
        pytest.skip("there is no oxford_pet_dogs/ in KERASQUEEZE_TEST_DATA")
    breeds = {name.replace("_", " ").capitalize() for _, name in imagenet_classes()[DOGS]}
    with browser.new_context() as context:
        visitor = Visitor(context, origin)
        visitor.choose(photos[0])
        visitor.page.wait_for_url("**/photo/*/")
        named = visitor.page.locator(".guesses .label").all_inner_texts()
        assert named[0] in breeds
        assert breed.partition("-")[2].capitalize() in named
        heat = visitor.page.locator("#heat")
        assert heat.is_visible()
        # some places are bright and some are not
        darkest, brightest = heat.evaluate(
            """image => {
              const canvas = document.createElement("canvas");
              [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
              const brush = canvas.getContext("2d");
              brush.drawImage(image, 0, 0);
              const pixels = brush.getImageData(0, 0, canvas.width, canvas.height).data;
              const sums = [];
              for (let at = 0; at < pixels.length; at += 4) sums.push(pixels[at] + pixels[at + 1] + pixels[at + 2]);
              return [Math.min(...sums), Math.max(...sums)];
            }"""
        )
        assert brightest - darkest > 100
        assert visitor.complaints == []
