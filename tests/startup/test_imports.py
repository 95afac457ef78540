"""How a command starts, in a process of its own."""

import gc
import math
import subprocess
import sys

import pytest

from kerasqueeze.startup import imports

SCRIPT = """
import gc, sys
__command__ = {command}
import kerasqueeze
from kerasqueeze.startup.command import begin
begin()
seen = [name for name in ("matplotlib", "pandas", "sklearn") if name in sys.modules]
import keras, matplotlib.pyplot, pandas, sklearn.base
found = hasattr(sklearn.base, "BaseEstimator"), hasattr(matplotlib.pyplot, "plot"), hasattr(pandas, "DataFrame")
print(seen, gc.get_threshold()[0], keras.ops.add(1.0, 1.0), *found)
"""


def ran(command: bool) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(command=command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_command_loads_none_until_it_is_asked_for():
    assert ran(command=True) == "[] 100000 2.0 True True True"


def test_elsewhere_keras_is_imported_as_ever():
    """Or the test above could not fail: Keras does import them by itself."""
    assert ran(command=False) == f"['matplotlib', 'pandas', 'sklearn'] {gc.get_threshold()[0]} 2.0 True True True"


LAZY = """
import sys
__command__ = True
from kerasqueeze.startup.command import begin
begin()
from kerasqueeze import history
early = "pandas.core.frame" in sys.modules
rows = history.no_rows()
import pandas
print(early, "pandas.core.frame" in sys.modules, type(rows) is pandas.DataFrame)
"""


def test_pandas_is_loaded_when_a_history_is_first_made():
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True)
    assert done.stdout.strip() == "False True True", done.stderr


def test_what_is_loaded_is_taken_as_it_is():
    assert imports.lazily("math") is math


def test_a_module_that_there_is_not():
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_module_here'"):
        imports.lazily("no_such_module_here")
