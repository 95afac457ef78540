"""The model card inside a `.keras` file: what its outputs mean, what it takes, and where it came from.

A `.keras` file is a zip archive, and Keras passes over members that it does not know. So one more member,
`model_card.json`, travels with the network, and can be read without Keras.
"""

import dataclasses
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasqueeze.errors import UserError

MEMBER = "model_card.json"
MAX_BYTES = 4 * 2**20
MAX_CLASSES = 100_000
RESIZES = ("crop", "squash")


@dataclass(frozen=True)
class Card:
    """What a model file says about itself.

    Attributes:
        class_names: A name for each output, in order.
        image_size: Height and width that photos are brought to, in pixels.
        resize: "crop": the shorter side is resized and the centre cut out; "squash": both sides are resized.
        network_size: Height and width of what the network takes; photos smaller than that are enlarged.
        temperature: What logits are divided by before the softmax, fitted on validation photos.
        activation: "logits" or "probabilities": what the network gives.
        origin: Where it came from: experiment, seed, photos, weights, code, versions, validation and test scores.
    """

    class_names: tuple[str, ...]
    image_size: int
    resize: str = "crop"
    network_size: int | None = None
    temperature: float = 1.0
    activation: str = "logits"
    origin: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        problem = _problem(self)
        if problem:
            raise UserError(f"the model card has {problem}")

    @property
    def pixels(self) -> int:
        """Height and width of the images that the network takes."""
        return self.network_size or self.image_size

    def to_json(self) -> str:
        """Return the card as JSON, always the same text for the same card; what is not finite becomes null."""
        return json.dumps(_finite({"format": 1, **dataclasses.asdict(self)}), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, path: Path | str) -> "Card":
        """Read a card.

        Raises:
            UserError: It is none, in one line that names `path`.
        """
        try:
            found = json.loads(text)
            if not isinstance(found, dict) or found.pop("format", None) != 1:
                raise UserError("no 'format' that this version knows (1)")
            known = {item.name for item in dataclasses.fields(cls)}
            names = found.get("class_names")
            if not isinstance(names, list):
                raise UserError("no list of class names")
            return cls(**{**{key: value for key, value in found.items() if key in known}, "class_names": tuple(names)})
        except (UserError, ValueError, TypeError, RecursionError) as error:
            raise UserError(f"{path}: what it says about itself cannot be used ({_line(error)})") from None


def add(path: Path, card: Card) -> None:
    """Put a card into a `.keras` file that has none yet; the same card and file give the same bytes."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(MEMBER), card.to_json(), zipfile.ZIP_DEFLATED)


def read(path: Path) -> Card | None:
    """Read the card in a `.keras` file; None if it has none.

    Raises:
        UserError: The file is no zip archive, or its card is damaged or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                return None
            if archive.getinfo(MEMBER).file_size > MAX_BYTES:
                raise UserError(f"{path}: its {MEMBER} is larger than {MAX_BYTES >> 20} MiB")
            with archive.open(MEMBER) as member:
                text = member.read(MAX_BYTES + 1)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"no model file at {str(path)!r}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path} is damaged, or no .keras file ({_line(error)})") from None
    return Card.from_json(text, path)


def _problem(card: Card) -> str:
    names, temperature = card.class_names, card.temperature
    if not 1 <= len(names) <= MAX_CLASSES or not all(isinstance(name, str) for name in names):
        return f"{len(names)} class names; expected 1 to {MAX_CLASSES} texts"
    for size in (card.image_size, card.pixels):
        if not isinstance(size, int) or isinstance(size, bool) or not 8 <= size <= 4096:
            return f"an image size of {size!r}; expected 8 to 4096 pixels"
    if card.resize not in RESIZES:
        return f"resize={card.resize!r}; expected one of {', '.join(RESIZES)}"
    if not isinstance(temperature, int | float) or not math.isfinite(temperature) or not 1e-3 <= temperature <= 1e3:
        return f"a temperature of {temperature!r}; expected 0.001 to 1000"
    if card.activation not in ("logits", "probabilities"):
        return f"activation={card.activation!r}; expected logits or probabilities"
    if not isinstance(card.origin, Mapping):
        return "an origin that is no table"
    return ""


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
