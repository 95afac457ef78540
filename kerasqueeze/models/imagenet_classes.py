"""The 1000 classes of the ImageNet challenge."""

import functools
import gzip
from importlib import resources


@functools.cache
def imagenet_classes() -> tuple[tuple[str, str], ...]:
    """Return (WordNet id, name) of the 1000 classes, in the order of the models' outputs.

    Source: the challenge's synsets in their usual order (ILSVRC 2012), named as torchvision/models/_meta.py does.
    """
    table = resources.files("kerasqueeze.models").joinpath("imagenet_classes.tsv.gz").read_bytes()
    rows = (line.split("\t") for line in gzip.decompress(table).decode().splitlines())
    return tuple((wnid, name) for wnid, name in rows)
