"""How a process starts whose main program is a command: fast, and with words where Keras or JAX cannot start.

The package leaves Keras alone in such a process until the command has read its arguments and calls `begin`. So `--help`
and a mistake in an option take no seconds, and the process is started again for huge pages (`hugepages`) before
anything large is loaded.
"""

import os
import sys
from pathlib import Path

from kerasqueeze.errors import UserError
from kerasqueeze.startup import hugepages, imports, xla

NAME = "kerasqueeze"


def is_command() -> bool:
    """Tell whether the main program is `kerasqueeze`, `python -m kerasqueeze` or a script that set `__command__`."""
    if getattr(sys.modules.get("__main__"), "__command__", False):
        return True
    if sys.argv[:1] == ["-m"]:  # while Python looks for the module that it is to run
        return sys.orig_argv[-len(sys.argv)].removeprefix("-m") == NAME
    return bool(sys.argv) and Path(sys.argv[0]).stem == NAME


def begin() -> None:
    """Import Keras, in this process or in one that takes its place; does nothing once Keras is there.

    Raises:
        UserError: KERAS_BACKEND or JAX_PLATFORMS name what cannot be had.
    """
    if "keras" not in sys.modules and is_command():
        _check_backend()
        try:
            hugepages.reason = hugepages.ensure()
        except OSError as error:  # training is slower without, and that is all
            hugepages.reason = f"huge pages need a second start, which was refused ({error.strerror})"
        xla.protect()
        imports.start()
    _check_platform()


def _check_backend() -> None:
    backend = os.environ.get("KERAS_BACKEND")
    if backend != "jax":
        raise UserError(f"KERAS_BACKEND={backend!r} cannot be used; kerasqueeze runs on 'jax': set that, or unset it")


def _check_platform() -> None:
    wanted = os.environ.get("JAX_PLATFORMS")
    if not wanted:
        return
    import jax

    try:
        jax.default_backend()
    except (RuntimeError, AssertionError) as error:  # the latter of 'cuda' without its plugin
        reason = " ".join(str(error).split()) or "JAX has no such device here"
        raise UserError(f"JAX_PLATFORMS={wanted!r} cannot be used ({reason}); set another, or unset it") from None
