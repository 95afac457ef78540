"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerasqueeze.errors import UserError

PREFIX = ".part-"
"""What the names of unfinished files begin with."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it becomes `path`, else it is removed.

    The data reach the disk before the name does, so a crash at any moment leaves the old file or the new one. The
    temporary name keeps the suffix, which `keras` and `matplotlib` choose their format by.

    Args:
        path: The file to write. Missing parent folders are made.

    Raises:
        OSError: It cannot be written; `filename` is `path`.
    """
    path = Path(path)
    try:
        with _part(path) as part:
            yield part
            part.chmod(0o666 & ~_umask())
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
    except OSError as error:  # of a full disk it names no file, else the temporary one
        if error.filename is None or Path(str(error.filename)).name.startswith(PREFIX):
            error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def cache_dir() -> Path:
    """Return the folder for downloads and decoded photos: $KERASQUEEZE_CACHE, else ~/.cache/kerasqueeze."""
    chosen = os.environ.get("KERASQUEEZE_CACHE")
    if chosen:
        return expanded(chosen)
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "set KERASQUEEZE_CACHE to a folder") / "kerasqueeze"


def expanded(path: Path | str, remedy: str = "write the whole path") -> Path:
    """Return a path whose `~` or `~user` is replaced by that home folder.

    Raises:
        UserError: There is no such home folder; the line ends with `remedy`.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{str(path)!r} begins with a home folder that is not known; {remedy}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
