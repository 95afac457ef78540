"""How a command starts, in a process of its own."""

import gc
import subprocess
import sys

SCRIPT = """
import gc, sys
__command__ = {command}
import kerasqueeze
seen = [name for name in ("matplotlib", "sklearn") if name in sys.modules]
import keras, matplotlib.pyplot, sklearn.base
found = hasattr(sklearn.base, "BaseEstimator"), hasattr(matplotlib.pyplot, "plot")
print(seen, gc.get_threshold()[0], keras.ops.add(1.0, 1.0), *found)
"""


def ran(command: bool) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(command=command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_command_loads_neither_until_it_is_asked_for():
    assert ran(command=True) == "[] 100000 2.0 True True"


def test_elsewhere_keras_is_imported_as_ever():
    """Or the test above could not fail: Keras does import them by itself."""
    assert ran(command=False) == f"['matplotlib', 'sklearn'] {gc.get_threshold()[0]} 2.0 True True"
