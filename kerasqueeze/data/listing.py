"""Small tools for folders full of photos: what is in them, and whether it changed."""

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from kerasqueeze.errors import UserError


def entries(folder: Path | str, hidden: bool = False) -> list[os.DirEntry[str]]:
    """Return what a folder holds, sorted by name, with or without hidden entries; UserError when it cannot be read."""
    try:
        with os.scandir(folder) as found:
            listed = (entry for entry in found if hidden or not entry.name.startswith("."))
            return sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}); check that it exists and may be read") from error


def file_state(entry: Path | os.DirEntry[str]) -> str:
    """Return text that changes when the file's name, size or time of change does."""
    try:
        found = entry.stat()
    except OSError:  # a link to nothing or in a circle; reading it will say so
        return f"{entry.name}:missing"
    return f"{entry.name}:{found.st_size}:{found.st_mtime_ns}"


def read_file(path: Path, largest: int) -> bytes:
    """Return the content of a regular file of at most `largest` bytes.

    Raises:
        ValueError: It is larger, or a pipe, socket or device, which could keep a reader waiting for ever.
        OSError: It cannot be read.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a regular file")
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"larger than {largest >> 20} MiB")
    return data


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def readable(name: str) -> str:
    r"""Return a file's name as text that can be written anywhere, another one for every name.

    Bytes that are no UTF-8 become `\xNN`. So that no two names become one, names that already have such a sequence in
    them get their backslashes doubled. All other names stay as they are.
    """
    if not _ESCAPED.search(name):
        return name
    return name.replace("\\", r"\\").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


_ESCAPED = re.compile(r"[\udc80-\udcff]|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}")


def shown(name: str, longest: int = 300) -> str:
    """Return a name for a message: one line, nothing that a terminal obeys, the middle of a long one left out."""
    name = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)
    return name if len(name) <= longest else f"{name[: longest // 2]}…{name[-(longest // 2) :]}"


def short_digest(*parts: str | bytes) -> str:
    """Return 16 hex digits that change when any part, or where one ends and the next begins, changes."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


def some(names: Sequence[str]) -> str:
    """Return the first three names in one line, as `shown`, and how many more there are."""
    return ", ".join(map(shown, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def one_line(error: Exception) -> str:
    """Return an error's text in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200]
