"""The key that signs cookies and forms: made at the first start, kept beside the photos, read by its owner alone."""

import os
import secrets
import stat
from pathlib import Path

from kerasqueeze.errors import UserError

NAME = "secret_key"
_LETTERS = 64


def secret_key(folder: Path) -> str:
    """Return the key in a folder; the first call makes both, with rights for nobody else.

    Raises:
        UserError: The folder cannot be used, or others may read the key.
    """
    path = folder / NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UserError(f"others may read {str(path)!r}; run: chmod 600 {path}, or remove it to get a new one")
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no key in it"
        raise UserError(f"{str(path)!r} cannot be used ({reason}); name another folder: --data DIR") from None
    if len(key) < _LETTERS:
        raise UserError(f"{str(path)!r} holds no key; remove it, a new one is made")
    return key


def _make(path: Path) -> None:
    """Write a new key, whole or not at all; of two processes that do so at once one wins."""
    part = path.with_name(f".part-{NAME}-{secrets.token_hex(4)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_LETTERS))
        try:
            path.hardlink_to(part)  # unlike a rename, never over another's
        except FileExistsError:
            pass
        except OSError:  # a disk without such links
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
