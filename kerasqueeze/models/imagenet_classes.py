"""The 1000 classes of the ImageNet challenge."""

import functools
import gzip
import re
from collections.abc import Sequence
from importlib import resources

from kerasqueeze.errors import UserError


@functools.cache
def imagenet_classes() -> tuple[tuple[str, str], ...]:
    """Return (WordNet id, name) of the 1000 classes, in the order of the models' outputs.

    Source: the challenge's synsets in their usual order (ILSVRC 2012), named as torchvision/models/_meta.py does.
    """
    table = resources.files("kerasqueeze.models").joinpath("imagenet_classes.tsv.gz").read_bytes()
    rows = (line.split("\t") for line in gzip.decompress(table).decode().splitlines())
    return tuple((wnid, name) for wnid, name in rows)


def imagenet_numbers(class_names: Sequence[str]) -> tuple[int, ...]:
    """Return the ImageNet class of each class whose name begins with its WordNet id, as `n02085620-Chihuahua`.

    Raises:
        UserError: A name does not, or its id is none of the 1000.
    """
    number = {wnid: place for place, (wnid, _) in enumerate(imagenet_classes())}
    found = []
    for name in class_names:
        match = re.match(r"n\d{8}", name)
        if match is None or match[0] not in number:
            raise UserError(
                f"class {name!r} is not named by the WordNet id of one of ImageNet's 1000 classes, so its part of the "
                "head is not known; choose head='fresh'"
            )
        found.append(number[match[0]])
    return tuple(found)
