"""Classes by WordNet id."""

import pytest

from kerasqueeze.errors import UserError
from kerasqueeze.models.imagenet_classes import imagenet_classes, imagenet_numbers


def test_breeds_are_found_by_their_id():
    # torchvision/models/_meta.py: 151 is Chihuahua, 268 the last dog, Mexican hairless; 281 tabby.
    assert imagenet_numbers(["n02085620-Chihuahua", "n02113978-Mexican_hairless", "n02123045"]) == (151, 268, 281)
    assert imagenet_classes()[151][1] == "Chihuahua"


@pytest.mark.parametrize("name", ["Chihuahua", "n00000000-nothing", "2085620"])
def test_other_names_are_refused(name):
    with pytest.raises(UserError, match=f"class '{name}' is not named by the WordNet id .* choose head='fresh'"):
        imagenet_numbers(["n02085620-Chihuahua", name])
