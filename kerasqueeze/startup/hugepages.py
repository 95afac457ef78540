"""How glibc gives a script's process its memory: in large pages, and kept for the next step.

XLA asks for its temporary memory anew at every step and gives it back at its end. glibc hands large pieces straight on
to the kernel, which zeroes them page by page, on one core, when they are used again: a tenth of a training step at
128 px and batch 8. So glibc is told to keep what is given back (the process then stays as large as it ever was), and
to ask for pages of 2 MiB in place of 4 KiB, for the first time that memory is used.

glibc reads GLIBC_TUNABLES when a process starts, so that has to start again. A script asks for it with
`__command__ = True` ahead of its imports: this package looks for that before it imports Keras, so that nothing is
loaded twice.
"""

import os
import platform
import sys
from pathlib import Path

LARGE = 1 << 35
TUNABLES = (
    "glibc.malloc.hugetlb=1",
    f"glibc.malloc.mmap_threshold={LARGE}",  # pieces below this size are not handed back one by one
    f"glibc.malloc.trim_threshold={LARGE}",  # nor is free memory at the heap's end, up to this size
)
GUARD = "KERASQUEEZE_HUGE_PAGES"  # set once the process was started again
reason: str | None = None
"""Why a script that asked for huge pages has none; whoever trains says so once."""
MODE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def ensure() -> str | None:
    """Start this process again with `TUNABLES` where that helps; for scripts, as their first act.

    The new process has the same arguments, id and streams, and comes here a second time, which then does nothing.
    Whoever chose `glibc.malloc.hugetlb` himself keeps what he has.

    Returns:
        None if huge pages are in use, else why they are not.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    started = GUARD in os.environ or "glibc.malloc.hugetlb" in tunables
    reason = _hindrance()
    if started or reason is not None:
        return reason or _without_pages()
    environment = {**os.environ, GUARD: "1", "GLIBC_TUNABLES": ":".join((tunables, *TUNABLES)).lstrip(":")}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _hindrance() -> str | None:
    """Return why `TUNABLES` cannot be had here, or None."""
    if sys.platform != "linux":
        return f"huge pages need Linux; this is {sys.platform}"
    libc, version = platform.libc_ver()
    if libc != "glibc" or [int(part) for part in version.split(".")[:2]] < [2, 35]:
        return f"huge pages need glibc 2.35 or newer; this is {libc or 'another C library'} {version}".rstrip()
    if not sys.executable or len(sys.orig_argv) < 2:
        return "huge pages need a script that can be started again"
    return None


def _without_pages() -> str | None:
    """Return why the kernel gives no huge pages, or None."""
    if not MODE.exists() or "[never]" in MODE.read_text(encoding="ascii"):
        return f"huge pages are switched off in {MODE}"
    return None
