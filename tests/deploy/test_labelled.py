"""Folders and the classes that they mean, and scores of photos whose classes are known."""

import numpy as np
import pytest
from deploy_networks import images
from PIL import Image
from test_photos import Brightness, save

from kerasqueeze.deploy import labelled
from kerasqueeze.deploy.labelled import match
from kerasqueeze.errors import UserError
from kerasqueeze.models.card import Card

KNOWN = ("n02085620-Chihuahua", "n02088364-beagle", "Saint_Bernard", "Löwe")


def test_classes_are_matched_by_name_wordnet_id_and_how_they_read():
    assert match(["n02085620-Chihuahua", "n02088364", "saint bernard", "Lo\u0308we"], KNOWN) == [0, 1, 2, 3]
    assert match(["BEAGLE", "n02085620-anything"], KNOWN) == [1, 0]
    assert match(["cat"], KNOWN, "skip") == [None]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["beagel"],
            "'beagel' is none of the 4 classes; the nearest is 'n02088364-beagle'; name it as the network does",
        ),
        (["zzz"], "'zzz' is none of the 4 classes; name it as the network does"),
        (["beagle", "n02088364"], "'beagle' and 'n02088364' both mean the class 'n02088364-beagle'"),
    ],
)
def test_what_means_no_class_or_one_twice_is_refused(names, said):
    with pytest.raises(UserError, match=said):
        match(names, KNOWN)


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        save(tmp_path / "blue" / f"{number}.png", "blue")
    save(tmp_path / "Red" / "a" / "0.png", "red")
    save(tmp_path / "Red" / "1.png", "lime")
    (tmp_path / "Red" / "2.png").write_bytes(b"broken")
    return tmp_path


def test_a_folder_is_scored_by_the_networks_own_numbers(folder):
    found = labelled.of_folder(Brightness(), folder)
    assert found.names == ("Red/1.png", "Red/a/0.png", "blue/0.png", "blue/1.png", "blue/2.png")
    assert found.labels.tolist() == [0, 0, 2, 2, 2]
    assert found.logits.argmax(1).tolist() == [1, 0, 2, 2, 2]
    assert found.classes == (0, 2)
    assert list(found.broken) == ["Red/2.png"]
    assert found.pixels(0)[0, 0].tolist() == [0, 255, 0]


def test_folders_that_are_no_class_are_refused_or_left_out(folder):
    save(folder / "violet" / "0.png", "violet")
    with pytest.raises(UserError, match="'violet' is none of the 3 classes"):
        labelled.of_folder(Brightness(), folder)
    assert len(labelled.of_folder(Brightness(), folder, "skip").labels) == 5


def test_a_folder_without_folders_classes_or_photos_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no folders; expected one folder a class"):
        labelled.of_folder(Brightness(), tmp_path)
    save(tmp_path / "violet" / "0.png", "violet")
    with pytest.raises(UserError, match=r"none of the folders in .* is a class of"):
        labelled.of_folder(Brightness(), tmp_path, "skip")
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "0.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"none of the 1 photos in .* can be decoded"):
        labelled.of_folder(Brightness(), tmp_path, "skip")


class Digits(Brightness):
    """Sees a digit by its brightness, badly."""

    def logits(self, images):
        return np.repeat(super().logits(images)[:, :1], 10, 1)


def test_a_part_of_a_data_set_with_some_of_its_classes():
    classifier = Digits(Card(tuple(str(number) for number in range(10)), 32, network_size=48))
    whole = labelled.of_set(classifier, "digits", None)
    assert len(whole.labels) == 450
    assert whole.pixels(0).shape == (32, 32, 3)
    some = labelled.of_set(classifier, "digits", None, ["3", "5"])
    assert set(some.labels.tolist()) == {3, 5}
    assert some.classes == (3, 5)
    assert len(labelled.of_set(classifier, "digits", None, part="validation", limit=7).labels) == 7
    with pytest.raises(UserError, match="knows none of the classes of digits"):
        labelled.of_set(Brightness(Card(("a", "b", "c"), 32)), "digits", None)


def test_more_photos_than_a_batch(tmp_path):
    (tmp_path / "green").mkdir()
    for number, image in enumerate(images(70, 16)):
        Image.fromarray(image).save(tmp_path / "green" / f"{number:02}.png")
    found = labelled.of_folder(Brightness(), tmp_path)
    np.testing.assert_allclose(found.logits, images(70, 16).mean((1, 2)), rtol=1e-5)
