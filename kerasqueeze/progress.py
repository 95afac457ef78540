"""What a command says while it works, on standard error: lines, and on a terminal a bar with rate and time left.

Nothing said here can end the work: where the stream is closed, nobody hears it. The results themselves go to standard
output and are no business of this module.
"""

import functools
import os
import sys
import threading
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, TextIO

WIDE = 80
"""Columns from which a bar has room for its whole label and for the bar itself."""
_quiet = False


def set_quiet(quiet: bool) -> None:
    """From now on say warnings alone, or everything."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Tell whether only warnings are said."""
    return _quiet


def say(text: str, stream: TextIO | None = None) -> None:
    """Write a line on `stream`, standard error if None, above a bar if there is one; nothing if quiet."""
    if not _quiet:
        warn(text, stream)


def warn(text: str, stream: TextIO | None = None) -> None:
    """As `say`, whether quiet or not."""
    stream = stream or sys.stderr
    if stream is None:  # closed when the process started
        return
    with suppress(OSError, ValueError), above_bars(stream):
        stream.write(f"{text}\n")
        stream.flush()


def bar(label: str, short: str, total: int, unit: str, stream: TextIO | None = None) -> Any:
    """Return a bar of tqdm's, to `update` and to `close`, which leaves nothing behind; None where there is none.

    There is none if quiet, and without a terminal that can go back to a line's beginning.

    Args:
        label: What is under way.
        short: The same for a narrow terminal, which gets percentage, time left and rate.
        total: How many units it has.
        unit: What is counted, in the singular.
        stream: Where it is drawn; standard error if None.
    """
    stream = stream or sys.stderr
    if _quiet or stream is None or not _is_terminal(stream):
        return None
    columns = WIDE
    with suppress(OSError, ValueError):
        columns = os.get_terminal_size(stream.fileno()).columns or WIDE
    wide = columns >= WIDE
    return _bars()(
        desc=label if wide else short,
        total=total,
        unit=f" {unit}" if wide else "",
        bar_format=None if wide else "{desc}: {percentage:3.0f}% [{remaining}, {rate_fmt}]",
        file=stream,
        leave=False,
        dynamic_ncols=True,
        mininterval=0.25,
    )


def clock(seconds: float) -> str:
    """Return a duration as `m:ss`, or `h:mm:ss` from an hour up."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


@functools.cache
def _bars() -> Any:
    """Return tqdm, which is loaded only where there is a terminal, without its thread and its lock for processes."""
    from tqdm import tqdm

    class Bar(tqdm):
        monitor_interval = 0

    Bar.set_lock(threading.RLock())
    return Bar


def above_bars(stream: TextIO) -> AbstractContextManager[Any]:
    """While the block runs, take the bars off the terminal."""
    return _bars().external_write_mode(file=stream) if _bars.cache_info().currsize else nullcontext()
