"""How results are named where they stand beside others, and which photos their weights have seen."""

from kerasqueeze.study.results import Result

SEEN_IN_IMAGENET = {"stanford_dogs": "Stanford Dogs"}
"""Data sets whose photos, the test half included, are part of ImageNet's training set (Khosla et al. 2011)."""


def is_seen(result: Result) -> bool:
    """Return whether an experiment's initial weights were trained on its own test photos."""
    return result.pretrained and result.data["name"] in SEEN_IN_IMAGENET


def label(result: Result) -> str:
    """Return an experiment's name, with a dagger where its initial weights had seen the photos."""
    return f"{result.name} †" if is_seen(result) else result.name
