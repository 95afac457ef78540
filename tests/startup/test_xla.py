"""What JAX computes on the CPU once this package is imported, in processes of their own."""

import os
import subprocess
import sys

import pytest

from kerasqueeze.startup import xla

SUMS = """
import jax, jax.numpy as jnp, numpy as np
steps = jnp.arange(32769, dtype="float32")
rows, unit = jnp.stack((steps, 0 * steps, 0 * steps), 1), jnp.eye(3)
squares = jax.jit(jax.vmap(lambda row: jnp.sum((unit @ row) ** 2)))(rows)
e = np.random.default_rng(0).standard_normal((5, 60, 60)).astype("float32")
products = jax.jit(lambda e: jnp.sum((e @ jnp.full_like(e, 0.5)) * e, -1))(e)
row_sums = e.astype("float64").sum(-1)
print(bool(squares[-1] == 32768.0**2), bool(np.allclose(products, 0.5 * row_sums * row_sums, atol=1e-3)))
"""
"""Two sums over products that jaxlib 0.10.2 computes wrongly; the second one newer versions as well."""
PRINT_FLAGS = "import os; print(repr(os.environ.get('XLA_FLAGS', '')))\n"
needed = pytest.mark.skipif(not xla._is_needed(xla.importlib.metadata.version("jaxlib")), reason="jaxlib is right")


def ran(code: str, flags: str | None = None) -> tuple[list[str], str]:
    """Return what a new process prints, and its standard error."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}
    if flags is not None:
        environment["XLA_FLAGS"] = flags
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def test_sums_are_right_once_the_package_is_imported():
    printed, errors = ran(f"import kerasqueeze\n{SUMS}")
    assert printed == ["True True"]
    assert "RuntimeWarning" not in errors


@needed
def test_without_the_package_they_are_wrong():
    """Or the test above could not fail; when this one does, a mended jaxlib no longer needs the package's care."""
    assert "False" in ran(SUMS)[0][0]


@needed
@pytest.mark.parametrize("command", ["", "import __main__; __main__.__command__ = True\n"])
def test_a_users_flags_are_kept_and_children_add_nothing(command):
    begin = "import kerasqueeze; from kerasqueeze.startup.command import begin; begin()\n"
    child = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', '''import kerasqueeze\n" + PRINT_FLAGS + "'''])"
    )
    own = "--xla_force_host_platform_device_count=2"
    code = f"{command}{begin}import sys, jax\nprint(jax.device_count())\n{PRINT_FLAGS}sys.stdout.flush()\n{child}"
    printed, _ = ran(code, own)
    assert printed == ["2", *[repr(f"{own} {xla.FLAG}={xla.CHOICE}")] * 2]


@needed
def test_flags_in_a_file_are_kept(tmp_path):
    (tmp_path / "flags").write_text("--xla_force_host_platform_device_count=3\n")
    printed, _ = ran(f"import kerasqueeze, jax\nprint(jax.device_count())\n{SUMS}", str(tmp_path / "flags"))
    assert printed == ["3", "True True"]


@needed
def test_a_users_own_choice_stands_with_a_warning_if_it_leaves_the_fault():
    for value in ("dot,reduce", "+reduce"):
        printed, errors = ran(f"import kerasqueeze\n{PRINT_FLAGS}", f"{xla.FLAG}={value}")
        assert printed == [repr(f"{xla.FLAG}={value}")]
        assert errors.count(f"RuntimeWarning: jaxlib {xla.importlib.metadata.version('jaxlib')} computes") == 1
        assert f"XLA_FLAGS has {xla.FLAG}={value};" in errors


@needed
@pytest.mark.parametrize("value", ["", "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT", "-reduce"])
def test_a_users_own_choice_without_the_fault_stands_without_a_word(value):
    printed, errors = ran(f"import kerasqueeze\n{PRINT_FLAGS}{SUMS}", f"{xla.FLAG}={value}")
    assert printed == [repr(f"{xla.FLAG}={value}"), "True True"]
    assert "RuntimeWarning" not in errors


@needed
def test_jax_in_use_before_is_said_once():
    _, errors = ran("import jax; jax.devices()\nimport kerasqueeze, kerasqueeze.models")
    assert errors.count("JAX was in use before kerasqueeze was imported") == 1
    _, errors = ran("import jax\nimport kerasqueeze")  # imported, but not in use
    assert "RuntimeWarning" not in errors


def test_versions(monkeypatch):
    monkeypatch.setattr(xla, "_names_flag", lambda: pytest.fail("looked for in the library"))
    assert [xla._is_needed(version) for version in ("0.7.2", "0.9.2", "0.10.1")] == [False] * 3
    assert [xla._is_needed(version) for version in ("0.10.2", "0.11.0.dev1", "0.12.0.1")] == [True] * 3
    for known in (True, False):
        monkeypatch.setattr(xla, "_names_flag", lambda known=known: known)
        assert xla._is_needed("0.13.0") is xla._is_needed("1.0") is known


@needed
def test_the_flag_is_found_in_the_library(monkeypatch):
    assert xla._names_flag()
    monkeypatch.setattr(xla, "CHOICE", "individual_dish")
    assert not xla._names_flag()
