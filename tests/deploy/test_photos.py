"""Photos found and predicted: in order, each once, the broken ones named, the answers those of one at a time."""

import io
import threading

import numpy as np
import pytest
from deploy_networks import CLASSES, images
from PIL import Image

from kerasqueeze.data.ahead import in_order
from kerasqueeze.data.decode import BrokenPhoto
from kerasqueeze.deploy import photos, predict
from kerasqueeze.deploy.classifier import Classifier, softmax, top
from kerasqueeze.deploy.photos import Photo
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card


class Brightness(Classifier):
    """Logits that are the mean of a channel: what it says of a photo is known."""

    runtime = "numpy"

    def __init__(self, card: Card | None = None):
        super().__init__(card or Card(("red", "green", "blue"), 16))
        self.sizes: list[int] = []
        self.threads: set[str] = set()

    def logits(self, images):
        self.sizes.append(len(images))
        self.threads.add(threading.current_thread().name)
        return images.mean((1, 2)).astype(np.float32)


def save(path, colour, size=(20, 30), **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **more)
    return path


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "b.png", "red")
    save(tmp_path / "a.JPG", "blue", format="JPEG")
    save(tmp_path / "deep" / "er" / "c.webp", "lime")
    save(tmp_path / ".hidden.png", "red")
    save(tmp_path / ".thumbnails" / "d.png", "red")
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "z.jpg").write_bytes(b"broken")
    return tmp_path


def names(found):
    return [photo.name.rpartition("/")[2] for photo in found]


def test_folders_are_searched_below_in_order_without_hidden_ones(folder):
    assert names(photos.find([str(folder)])) == ["a.JPG", "b.png", "z.jpg", "c.webp"]


def test_paths_and_patterns_in_the_order_given_each_once(folder):
    found = photos.find([str(folder / "z.jpg"), f"{folder}/*.png", str(folder), f"{folder}/**/*.webp"])
    assert names(found) == ["z.jpg", "b.png", "a.JPG", "c.webp"]
    assert names(photos.find([str(folder / "notes.txt")])) == ["notes.txt"]  # asked for by name: decoding will say


def test_a_name_with_a_bracket_is_a_file_before_it_is_a_pattern(tmp_path):
    save(tmp_path / "a[1].png", "red")
    assert names(photos.find([str(tmp_path / "a[1].png")])) == ["a[1].png"]


@pytest.mark.parametrize("name", ["nothing.jpg", "*.nothing", "empty"])
def test_what_is_not_there_is_said(tmp_path, name, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no photo at|holds no photo"):
        photos.find([name])


def test_standard_input_is_one_photo(monkeypatch):
    class Input:
        buffer = io.BytesIO(photos.as_png(images(1, 16)[0]))

        def isatty(self):
            return False

    monkeypatch.setattr("sys.stdin", Input())
    (found,) = photos.find(["-"])
    assert found.name == "standard input"
    np.testing.assert_array_equal(photos.prepare(found.source, Card(CLASSES, 16)), images(1, 16)[0])
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="stands for a photo on standard input"):
        photos.find(["-"])


def test_an_upright_photo_and_a_turned_one_with_its_tag_are_the_same(tmp_path):
    pixels = images(1, 64)[0]
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(pixels).save(tmp_path / "upright.png")
    card = Card(CLASSES, 64)
    first, second = (photos.prepare(tmp_path / name, card) for name in ("turned.png", "upright.png"))
    np.testing.assert_array_equal(first, second)


def test_a_heic_photo_is_read_with_its_extra(monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    smooth = np.add.outer(np.arange(64), np.arange(96))[..., None].repeat(3, 2).astype(np.uint8)
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(smooth)).save(file, quality=95)
    found = photos.prepare(file.getvalue(), Card(CLASSES, 64))
    assert np.abs(found.astype(int) - smooth[:, 16:80]).mean() < 4
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(BrokenPhoto, match=r"a HEIC photo; to read such: pip install 'kerasqueeze\[heic\]'"):
        photos.prepare(file.getvalue(), Card(CLASSES, 64))


def test_small_photos_are_enlarged_to_what_the_network_takes():
    pixels = images(1, 16)[0]
    found = photos.prepare(photos.as_png(pixels), Card(CLASSES, 16, network_size=48))
    assert found.shape == (48, 48, 3)
    assert np.abs(found[1::3, 1::3].astype(int) - pixels).max() <= 1  # the middle of each enlarged pixel


def test_squashed_photos_keep_their_sides():
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 40:] = 255
    squashed = photos.prepare(photos.as_png(pixels), Card(CLASSES, 20, resize="squash"))
    assert squashed[:, :12].max() == 0
    assert squashed[:, -5:].min() == 255


def test_predictions_are_in_order_and_the_broken_are_named(folder):
    found = list(predict.predict(Brightness(), photos.find([str(folder)]), batch=2))
    assert names(one.photo for one in found) == ["a.JPG", "b.png", "z.jpg", "c.webp"]
    best = [one.top(1)[0][0] if not one.failed else one.failed for one in found]
    assert best[:2] == [2, 0]
    assert best[2] == "no photo in a format that is read"
    assert best[3] == 1
    assert found[2].top() == []


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 100])
def test_any_number_of_photos_in_batches(count):
    classifier = Brightness()
    pixels = images(count, 16) if count else np.zeros((0, 16, 16, 3), np.uint8)
    given = [Photo(str(number), photos.as_png(image)) for number, image in enumerate(pixels)]
    found = list(predict.predict(classifier, given))
    assert [one.photo.name for one in found] == [str(number) for number in range(count)]
    for one, image in zip(found, pixels, strict=True):
        np.testing.assert_allclose(
            one.probabilities, softmax(image.mean((0, 1)).astype(np.float32).astype(float)), rtol=1e-5
        )
    assert sum(classifier.sizes) == count
    assert max(classifier.sizes, default=0) <= 32


def test_nothing_but_broken_photos_computes_nothing():
    classifier = Brightness()
    found = list(predict.predict(classifier, [Photo(str(number), b"broken") for number in range(3)]))
    assert all(one.failed for one in found)
    assert classifier.sizes == []


def test_decoding_goes_no_further_ahead_than_it_has_to():
    """A folder of any length takes bounded memory."""
    asked: list[int] = []
    given = [Photo(str(number), b"") for number in range(5000)]

    def note(photo):
        asked.append(int(photo.name))
        return np.zeros((1, 1, 3), np.uint8)

    results = in_order(note, given)
    for _ in range(10):
        next(results)
    assert len(asked) < 10 + 64 * 16
    results.close()


def test_the_highest_come_first_and_equals_in_order():
    assert top(np.array([0.1, 0.4, 0.4, 0.05]), 3).tolist() == [1, 2, 0]


def test_a_network_that_computes_no_numbers_is_refused():
    with pytest.raises(UserError, match="computes what is no number; its file is damaged"):
        Brightness().calibrated(np.array([[0.0, np.nan, 1.0]]))


def test_softmax_of_large_logits_is_finite():
    np.testing.assert_allclose(softmax(np.array([1e5, 1e5 - np.log(3)])), [0.75, 0.25], rtol=1e-6)
