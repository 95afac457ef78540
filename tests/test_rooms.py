"""The rooms of the house: who may import whom, and what importing the package may not do."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kerasqueeze

PACKAGE = Path(kerasqueeze.__file__).parent
COMMON = {"class_names", "errors", "files", "locks", "progress"}
ALLOWED = {
    "errors": set(),
    "class_names": set(),
    "files": {"errors"},
    "progress": set(),
    "locks": set(),
    "history": COMMON | {"startup.imports"},
    "startup": COMMON,
    "models": COMMON,
    "data": COMMON,
    "training": COMMON | {"history", "startup", "models", "data"},
    "study": COMMON | {"history", "training.experiment"},
    "deploy": COMMON | {"history", "startup", "models", "data"},
    "bench": COMMON | {"history", "startup", "models", "data", "training", "study", "deploy"},
    "commands": COMMON | {"history", "startup", "models", "data", "training", "study", "bench", "deploy"},
    "__init__": {"startup.command", "startup.xla", "models.squeezenet"},
    "__main__": {"commands.main"},
}
"""What each room, and each file beside the rooms, may import beside itself."""


def files(room: str) -> list[Path]:
    """Return the files of a room, or the one file beside the rooms."""
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def is_module(name: str) -> bool:
    if not re.fullmatch(r"kerasqueeze(\.\w+)+", name):
        return False
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def imports(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, those it names in a string included, without the package's."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and is_module(node.value):
            found.add(node.value)
    return {name.removeprefix("kerasqueeze.") for name in found if name.startswith("kerasqueeze.")}


def is_in(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_imports_point_one_way(room):
    for path in files(room):
        for name in imports(path):
            allowed = any(is_in(name, other) for other in {room} | ALLOWED[room])
            assert allowed, f"{path.relative_to(PACKAGE)} imports {name}"


@pytest.mark.parametrize(
    ("room", "users"), [("bench", {"commands"}), ("commands", {"__main__"}), ("deploy", {"bench", "commands"})]
)
def test_a_room_at_the_top_is_used_by_nobody_but(room, users):
    used_by = {other for other in ALLOWED for path in files(other) for name in imports(path) if is_in(name, room)}
    assert used_by - {room} == users


def test_commands_do_not_import_each_other():
    """Each is loaded when it is used; what they share lies beside them."""
    shared = {"exits", "main", "options"}
    for path in files("commands"):
        if path.stem not in shared:
            ours = {name.split(".")[1] for name in imports(path) if is_in(name, "commands")}
            assert ours <= shared, f"{path.name} imports {ours - shared}"


def test_every_room_and_file_is_listed():
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert found == set(ALLOWED)


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
