"""What a model card says, for people: what the network is, what it has seen, and how good it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasqueeze.deploy.classifier import Classifier

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class About:
    """The parts of the page.

    Attributes:
        network: What it is and takes.
        seen: What it was trained on.
        scores: How good it was.
        made: With what.
        classes: All names, in order.
        cut: Whether it sees the middle of a photo alone.
    """

    network: Pairs
    seen: Pairs
    scores: Pairs
    made: Pairs
    classes: list[str]
    cut: bool


def of(classifier: Classifier, name: str) -> About:
    """Return what the page shows of a network called `name`; what a card does not say is left out."""
    card, origin = classifier.card, classifier.card.origin
    settings, data, weights = _part(origin, "experiment"), _part(origin, "data"), _part(origin, "weights")
    versions = _part(origin, "versions")
    network = [
        ("Name", name),
        ("Architecture", settings.get("model") or origin.get("name")),
        ("Classes", len(classifier.class_names)),
        ("Takes", f"{card.image_size} × {card.image_size} pixels, {_how(card.resize)}"),
        ("Computed by", classifier.runtime),
        ("Temperature", f"{card.temperature:g}, fitted on validation photos" if card.temperature != 1 else "1"),
    ]
    seen = [
        ("Photos", data.get("name") or settings.get("dataset")),
        ("To train on", data.get("train")),
        ("To choose by (validation)", data.get("validation")),
        ("To test with, never trained on here", data.get("test")),
        ("Began with", weights.get("file") or settings.get("weights") or "random weights"),
        ("Epochs", settings.get("epochs")),
        ("Optimizer", settings.get("optimizer")),
        ("Experiment, seed", _both(settings.get("name"), origin.get("seed"))),
    ]
    made = [("Revision of the code", origin.get("git_revision")), *sorted(versions.items())]
    return About(
        _told(network), _told(seen), _scores(origin), _told(made), classifier.class_names, card.resize == "crop"
    )


def _part(origin: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = origin.get(name)
    return found if isinstance(found, Mapping) else {}


def _how(resize: str) -> str:
    return "the middle square of the photo" if resize == "crop" else "the whole photo, squashed"


def _both(name: object, seed: object) -> str | None:
    return f"{name}, {seed}" if name is not None and seed is not None else None


def _scores(origin: Mapping[str, Any]) -> Pairs:
    names = {"accuracy": "accuracy", "top5": "right class among five", "precision": "precision", "recall": "recall"}
    found = []
    for part in ("test", "validation"):
        scores = _part(origin, part)
        for key, title in names.items():
            if isinstance(scores.get(key), int | float):
                found.append((f"{part.capitalize()}: {title}", f"{scores[key]:.3f}"))
    return found


def _told(pairs: list[tuple[str, Any]]) -> Pairs:
    return [(title, f"{value:,}" if type(value) is int else str(value)) for title, value in pairs if value is not None]
