"""What a result was made from and with: code, weights, first batch, versions, hardware."""

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np

from kerasqueeze.errors import UserError
from kerasqueeze.files import cache_dir, expanded, write_text
from kerasqueeze.models.fast.switch import is_fast

VERSIONS_OF = ("kerasqueeze", "keras", "jax", "jaxlib", "numpy", "tensorflow-datasets", "pillow")
ROOMS = ("models", "data", "training")
"""The parts of the package that decide a result."""


def weights_file(weights: str) -> dict[str, str | None]:
    """Name initial weights by what is in the file, not by where it lies on this machine.

    Raises:
        UserError: There is no such file.
    """
    if weights in ("none", "imagenet"):
        return {"file": weights, "sha256": None}
    path = expanded(weights)
    if not path.is_file():
        raise UserError(
            f"no weights file at {weights!r}; expected none, imagenet or the path of a .pth, .weights.h5 or .keras file"
        )
    with path.open("rb") as file:
        return {"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def of_weights(network: keras.Model) -> str:
    """Return a hash of a network's weights, head included, in the order of its layers; random states are left out."""
    found = hashlib.sha256()
    for variable in network.weights:
        value = np.asarray(variable.value)
        found.update(f"{value.dtype} {value.shape}".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()[:16]


def of_first_batch(batch: tuple[np.ndarray, np.ndarray], model: keras.Model) -> str:
    """Return a hash of all that decides the first step but weights and optimizer.

    Args:
        batch: uint8 pixels (N, S, S, 3) and labels (N,).
        model: The model as built: the states of its random generators decide augmentation and dropout.
    """
    found = hashlib.sha256()
    states = [variable.value for variable in model.non_trainable_variables if "seed" in variable.path]
    for array in (*batch, *states):
        array = np.asarray(array)
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


@functools.cache
def of_code() -> str:
    """Return a hash of the code that decides a result, which neither comments, docstrings nor layout change.

    Reading so much code takes a fifth of a second, so for these very files it is kept in `files.cache_dir()`.
    """
    package = Path(__file__).parents[1]
    paths = [path for room in ROOMS for path in sorted((package / room).rglob("*.py"))]
    sources = {path.relative_to(package): path.read_bytes() for path in paths}
    key = hashlib.sha256(platform.python_version().encode())
    for name, source in sources.items():
        key.update(f"{name} {len(source)}\n".encode() + source)
    kept = cache_dir() / "code" / key.hexdigest()
    try:
        known = kept.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        known = ""
    if not re.fullmatch("[0-9a-f]{16}", known):
        known = _of_sources(sources)
        with contextlib.suppress(OSError):  # a cache that cannot be written is no reason not to run
            write_text(kept, known)
    return known


def _of_sources(sources: dict[Path, bytes]) -> str:
    found = hashlib.sha256()
    for name, source in sources.items():
        tree = ast.parse(source.decode("utf-8"))
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
                and ast.get_docstring(node, clean=False) is not None
            ):
                node.body[0] = ast.Pass()
        found.update(f"{name}\n{ast.dump(tree)}\n".encode())
    return found.hexdigest()[:16]


def git_revision() -> str | None:
    """Return the commit the package was run from, with `-dirty` where files were changed since; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in VERSIONS_OF}}


def hardware() -> dict[str, Any]:
    """Describe the machine: architecture, processor, usable cores, device of the computation."""
    devices = jax.devices()
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "lowering": "fast" if is_fast() else "stock",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
