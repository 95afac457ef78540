"""Small tools for folders full of photos: what is in them, and whether it changed."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from kerasqueeze.errors import UserError


def entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """Return what a folder holds, sorted by name, hidden entries left out; UserError when it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}); check that it exists and may be read") from error


def file_state(entry: Path | os.DirEntry[str]) -> str:
    """Return text that changes when the file's name, size or time of change does."""
    try:
        stat = entry.stat()
    except FileNotFoundError:  # a dangling link; reading it will say so
        return f"{entry.name}:missing"
    return f"{entry.name}:{stat.st_size}:{stat.st_mtime_ns}"


def short_digest(*parts: str | bytes) -> str:
    """Return 16 hex digits that change when any part, or where one ends and the next begins, changes."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


def some(names: Sequence[str]) -> str:
    """Return the first three names in one line, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def one_line(error: Exception) -> str:
    """Return an error's text in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200]
