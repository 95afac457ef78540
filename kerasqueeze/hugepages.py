"""Large memory pages for a script's process, which save most of the time that the kernel spends on its memory.

XLA asks for its temporary memory anew at every step, and each fresh page of 4 KiB costs a page fault; with pages of
2 MiB there are 512 times fewer. glibc asks for them if GLIBC_TUNABLES says so when the process starts, so it has to
start again. A script asks for it with `__command__ = True` ahead of its imports: this package looks for that before
it imports Keras, so that nothing is loaded twice.
"""

import os
import platform
import sys
from pathlib import Path

TUNABLE = "glibc.malloc.hugetlb=1"
GUARD = "KERASQUEEZE_HUGE_PAGES"  # set once the process was started again
reason: str | None = None
"""Why a script that asked for huge pages has none; whoever trains says so once."""
MODE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def ensure() -> str | None:
    """Start this process again with huge pages where that helps; for scripts, as their first act.

    The new process has the same arguments, id and streams, and comes here a second time, which then does nothing.

    Returns:
        None if huge pages are in use, else why they are not.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if GUARD in os.environ or "glibc.malloc.hugetlb" in tunables:
        return None
    reason = _hindrance()
    if reason is not None:
        return reason
    if "[madvise]" not in MODE.read_text(encoding="ascii"):
        return None  # [always]: the kernel does it by itself
    environment = {**os.environ, GUARD: "1", "GLIBC_TUNABLES": f"{tunables}:{TUNABLE}".lstrip(":")}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _hindrance() -> str | None:
    """Return why huge pages cannot be had here, or None."""
    if sys.platform != "linux":
        return f"huge pages need Linux; this is {sys.platform}"
    libc, version = platform.libc_ver()
    if libc != "glibc" or [int(part) for part in version.split(".")[:2]] < [2, 35]:
        return f"huge pages need glibc 2.35 or newer; this is {libc or 'another C library'} {version}".rstrip()
    if not MODE.exists() or "[never]" in MODE.read_text(encoding="ascii"):
        return f"huge pages are switched off in {MODE}"
    if not sys.executable or len(sys.orig_argv) < 2:
        return "huge pages need a script that can be started again"
    return None
