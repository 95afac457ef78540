"""How a command ends: its exit code, and one line on standard error in place of a traceback.

0 when it ends well, 1 where the command says so, 2 with one line for bad input and for what the machine refuses, 128
plus the signal's number when one stopped it: 130 after an interrupt, 141 when nobody reads its output any more.
"""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn, TextIO

from kerasqueeze.errors import Interrupted, UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a write ends with where there is no room."""
REMEDIES = {
    errno.ENOSPC: "free some space, or name a folder on another disk",
    errno.EDQUOT: "free some space, or name a folder on another disk",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or name a folder on another disk",
    errno.EACCES: "ask for the right to it, or name another place",
    errno.EPERM: "ask for the right to it, or name another place",
    errno.EROFS: "name another place",
    errno.ENOTDIR: "a file is where a folder should be: move it, or name another place",
    errno.EEXIST: "a file is where a folder should be: move it, or name another place",
    errno.EISDIR: "a folder is where a file should be: move it, or name another place",
    errno.ENAMETOOLONG: "give a shorter name",
}


def leave(command: Callable[[], None]) -> NoReturn:
    """Run a command, write what it has printed, and leave with its exit code."""
    open_streams()
    code = _attempt(command)
    code = _attempt(sys.stdout.flush) or code  # what cannot be written is found out now, not in a traceback at exit
    _drop_broken(sys.stderr)
    sys.exit(code)


def open_streams() -> None:
    """Put the null device where a standard stream is closed, and let both streams take any character.

    Else the next file that is opened would get the stream's number, and take what is written to it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
            os.set_inheritable(null, True)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _attempt(work: Callable[[], object]) -> int:
    """Do something and return its exit code."""
    try:
        work()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except UserError as error:
        return _say(f"error: {error}", 2)
    except Interrupted as stop:
        return _say(str(stop), 128 + stop.number)
    except KeyboardInterrupt:
        return _say("interrupted", 128 + signal.SIGINT)
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        return _say(f"error: out of memory{reason}; use a smaller --batch-size or --image-size", 2)
    except BrokenPipeError:  # nobody reads any more, as after `| head`
        _drop_broken(sys.stdout)
        return 128 + signal.SIGPIPE
    except OSError as error:
        _drop_broken(sys.stdout)
        if error.filename is None and error.errno in FULL:  # of a result's file `files.whole_file` says the name
            error.filename = "standard output"
        return _say(f"error: {_reason(error)}", 2)
    return 0


def _say(line: str, code: int) -> int:
    """Write one line on standard error, if it still takes one; return the code."""
    shown = "".join(character if character.isprintable() else _escaped(character) for character in line)
    try:
        print(shown, file=sys.stderr, flush=True)
    except OSError:
        _drop_broken(sys.stderr)
    return code


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _reason(error: OSError) -> str:
    """Return what the machine refused, with the path and what may help."""
    path = error.filename2 or error.filename
    what = error.strerror or str(error)
    remedy = REMEDIES.get(error.errno or 0, "check the path and the disk")
    return f"{what}{f': {str(path)!r}' if path is not None else ''}; {remedy}"


def _drop_broken(stream: TextIO) -> bool:
    """Tell whether a stream takes nothing any more; if so, let what is left in it go nowhere."""
    try:
        stream.flush()
    except (OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        return True
    return False
