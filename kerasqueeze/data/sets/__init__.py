"""The data sets: one file or folder each, and a line in `SETS`; nothing else in this room knows one by name."""

from collections.abc import Callable

from kerasqueeze.data.cache import Decoded
from kerasqueeze.data.request import Request
from kerasqueeze.data.sets import cifar10, digits, folder, stanford_cars, stanford_dogs

SETS: dict[str, Callable[[Request], dict[str, Decoded]]] = {
    "cifar10": cifar10.load,
    "digits": digits.load,
    "folder": folder.load,
    "stanford_cars": stanford_cars.load,
    "stanford_dogs": stanford_dogs.load,
}
"""Each loader returns the parts that its set has: "all", or "train" and perhaps "validation" and "test"."""
