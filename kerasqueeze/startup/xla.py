"""Keeps the wrong sums of XLA's CPU backend out of this process.

Since jaxlib 0.10.2 XLA gives sums over products to the library YNNPACK, fused into one operation, and some come out
wrong by far: `sum((m @ r) ** 2)` for many rows r (jax issue 39103, jaxlib 0.10.2 alone), and `sum((e @ c) * e)` for a
batch of matrices e and a c that is one number throughout, as the gradient of a mean is (still so in 0.12.0.1).
Without such fusions both are right. So YNNPACK is left with matrix products that stand alone. On two cores of an EPYC
SqueezeNet's stock form is then 1.25 times as fast as by XLA's own choice in training and 1.8 times in inference,
ResNet-50 0.9 and 1.3 times; without YNNPACK both are as fast as with these products (CSV/bench_xla_flags.csv).
"""

import importlib.metadata
import importlib.util
import mmap
import os
import re
import sys
import warnings
from pathlib import Path

FLAG = "--xla_cpu_experimental_ynn_fusion_type"
"""What YNNPACK is given: a list of kinds; or, each with + or -, the changes to XLA's own list."""
CHOICE = "individual_dot"
HARMLESS = {"", "individual_dot", "individual_convolution"}
WRONG_SINCE = (0, 10, 2)
TRIED = (0, 12)
"""The last jaxlib that is known to have `FLAG`; XLA ends a process that gives it a flag that it does not know."""


def protect() -> None:
    """Add `FLAG` to XLA_FLAGS where the installed jaxlib needs it; child processes inherit it.

    A user's own XLA_FLAGS are kept, his own value of `FLAG` as well. Warns once if the fault stays: because of that
    value, or because JAX has started on the CPU and reads XLA_FLAGS no more.
    """
    version = importlib.metadata.version("jaxlib")
    if not _is_needed(version):
        return
    flags = _flags()
    chosen = re.findall(rf"(?<!\S){FLAG}=(\S*)", flags)
    if chosen and _is_harmless(chosen[-1]):
        return
    platform = _platform()
    if not chosen and platform is None:
        os.environ["XLA_FLAGS"] = f"{flags} {FLAG}={CHOICE}".lstrip()
    elif platform in (None, "cpu"):
        cause = f"XLA_FLAGS has {FLAG}={chosen[-1]}" if chosen else "JAX was in use before kerasqueeze was imported"
        warnings.warn(
            f"jaxlib {version} computes some sums wrongly on the CPU (jax issue 39103), and {cause}; "
            f"start Python with XLA_FLAGS={FLAG}={CHOICE}",
            RuntimeWarning,
            stacklevel=2,
        )


def _is_needed(version: str) -> bool:
    """Tell whether a jaxlib computes wrongly and knows `FLAG`."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    return numbers >= WRONG_SINCE and (numbers[:2] <= TRIED or _names_flag())


def _names_flag() -> bool:
    """Tell whether the installed XLA has the names of `FLAG` and `CHOICE` in its code."""
    spec = importlib.util.find_spec("jaxlib")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    names = (FLAG.removeprefix("--"), f"LIBRARY_FUSION_TYPE_{CHOICE.upper()}")
    for path in folder.glob("*jax_common*"):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as code:
            if all(code.find(name.encode()) >= 0 for name in names):
                return True
    return False


def _flags() -> str:
    """Return XLA_FLAGS, or what stands in the file that it names."""
    flags = os.environ.get("XLA_FLAGS", "").strip()
    if flags.startswith("-"):
        return flags
    try:
        return " ".join(Path(flags).read_text(encoding="utf-8").split()) if flags else ""
    except (OSError, UnicodeDecodeError):  # XLA will say that it cannot read the file
        return flags


def _is_harmless(value: str) -> bool:
    """Tell whether a value of `FLAG` leaves YNNPACK no sum that is fused with something."""
    kinds = [kind.lower().replace("library_fusion_type_", "") for kind in value.strip("'\"").split(",")]
    return HARMLESS.issuperset(kinds) or ("-reduce" in kinds and not any(kind.startswith("+") for kind in kinds))


def _platform() -> str | None:
    """Return what JAX computes on by default; None before it has started."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    if bridge is None or not bridge.backends_are_initialized():
        return None
    return sys.modules["jax"].default_backend()
