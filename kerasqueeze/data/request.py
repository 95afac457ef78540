"""What is asked of a data set, and how photos from files answer it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasqueeze.data.cache import Decoded, Photos, decoded
from kerasqueeze.data.progress import Progress


@dataclass(frozen=True)
class Request:
    """What every loader in `kerasqueeze.data.sets.SETS` is called with.

    Attributes:
        image_size: Height and width of the images in pixels.
        data_dir: The folder with the photos, which exists, or None when none was named.
        cache: Folder for what is prepared.
        on_broken: "fatal" or "skip", for photos that cannot be decoded.
        progress: Told how preparation goes.
        squash: Whether photos are squashed to a square instead of cut.
    """

    image_size: int
    data_dir: Path | None
    cache: Path
    on_broken: str
    progress: Progress
    squash: bool = False


def decode_parts(name: str, parts: Sequence[Photos], request: Request) -> dict[str, Decoded]:
    """Return the photos of each part of the data set `name`, decoded, from the cache where it holds them."""
    folder = request.cache / "decoded" / name.replace("/", "-").replace(":", "-")
    return {
        part.part: decoded(part, request.image_size, folder, request.on_broken, request.progress, squash=request.squash)
        for part in parts
    }
