"""The rooms of the house: who may import whom, and what importing the package may not do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kerasqueeze

PACKAGE = Path(kerasqueeze.__file__).parent
COMMON = {"errors", "files", "locks", "progress"}
ROOMS = {"models", "data", "training", "study", "bench", "commands"}
ALLOWED = {
    "startup": COMMON,
    "models": COMMON,
    "data": COMMON,
    "training": COMMON | {"history", "startup", "models", "data"},
    "study": COMMON | {"history", "training.experiment"},
    "bench": COMMON | {"history", "startup", "models", "data", "training", "study"},
    "commands": COMMON | {"history", "startup"} | ROOMS,
}
"""What each room may import beside itself."""


def imports(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, without the package's name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("kerasqueeze.") for name in found if name.startswith("kerasqueeze.")}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_imports_point_one_way(room):
    for path in sorted((PACKAGE / room).rglob("*.py")):
        for name in imports(path):
            inside = name == room or name.startswith(f"{room}.")
            allowed = any(name == other or name.startswith(f"{other}.") for other in ALLOWED[room])
            assert inside or allowed, f"{path.relative_to(PACKAGE)} imports {name}"


def test_every_room_is_listed():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == set(ALLOWED)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


def test_importing_the_package_chooses_jax_and_loads_no_other_framework():
    code = (
        "import sys, kerasqueeze, keras; print(keras.backend.backend(), "
        "*(name for name in ('tensorflow', 'tensorflow_datasets', 'torch') if name in sys.modules))"
    )
    assert python(code).stdout.split() == ["jax"]


def test_another_backend_is_refused_in_words():
    code = "import keras, kerasqueeze"
    said = python(code, KERAS_BACKEND="numpy").stderr
    assert "Keras is already imported with the backend 'numpy'; set KERAS_BACKEND=jax" in said
