"""Processes that work in one folder at the same time: one at a time at each file, and a list of tasks shared out."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
try:
    import msvcrt
except ImportError:  # not Windows
    msvcrt = None

Task = TypeVar("Task")
POLL = 0.2
"""Seconds between two looks at what others hold."""
_held = threading.local()


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Let one process or thread at a time into the block, for what lies at `path`; yield whether this one was let in.

    The lock is the system's, on a file `.<name>.lock` beside `path`: it goes with the process that holds it, however
    that ends. Whoever holds it is let in again. Where the file system knows no locks, all are let in.

    Args:
        path: What is guarded; it need not exist. Missing parent folders are made.
        wait: Whether to wait until the lock is free; without, False is yielded where another holds it.
    """
    lock = path.parent.absolute() / f".{path.name}.lock"
    held: set[Path] = _held.__dict__.setdefault("paths", set())
    if lock in held:
        yield True
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    while (file := _open(lock)) is None:
        if not wait:
            yield False
            return
        time.sleep(POLL / 10)
    held.add(lock)
    try:
        yield True
    finally:
        held.discard(lock)
        with file, suppress(OSError):  # on Windows, where an open file stays
            lock.unlink()


def share(
    tasks: Sequence[Task],
    path_of: Callable[[Task], Path],
    work: Callable[[Task], object],
    tell: Callable[[str], object],
) -> None:
    """Do tasks of which other processes may do some at the same time; return when nobody is at work on them any more.

    `work` is called once for every task, while nobody else is at it, also for those that another process has had: it
    has to look what is done already. So what a killed process began is done here.

    Args:
        tasks: The tasks, in the order wanted; those that others are at work on come last.
        path_of: Names a file that stands for a task, see `locked`.
        work: Does a task, or what is left of it.
        tell: Takes a line when there is nothing to do but to wait.
    """
    left, told = list(tasks), False
    while left:
        for task in left:
            with locked(path_of(task), wait=False) as free:
                if free:
                    work(task)
                    left.remove(task)
                    break
        else:
            if not told:
                names = ", ".join(path_of(task).stem for task in left)
                tell(f"waiting for another process that is at work on {names}")
                told = True
            time.sleep(POLL)


def _open(lock: Path) -> BinaryIO | None:
    """Return the locked file, None if another holds it."""
    file = lock.open("ab")
    try:
        _lock(file)
    except BlockingIOError:
        file.close()
        return None
    except OSError:  # no locks here
        return file
    except BaseException:
        file.close()
        raise
    if _is_at(file, lock):
        return file
    file.close()  # its holder has removed it by now; the next look finds or makes another
    return None


def _lock(file: BinaryIO) -> None:
    """Lock a file, or raise BlockingIOError where another has."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif msvcrt is not None:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
