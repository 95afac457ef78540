"""Say what of a network learns, and what the optimizer does to every layer in its first steps.

    python scripts/inspect.py --exp digits_scratch_adam

The same as `kerasqueeze inspect`, which --help explains.
"""

import sys
from pathlib import Path

__command__ = True  # see kerasqueeze/startup/command.py

# Python looks for modules beside a script first, and the standard library has one called inspect: this folder steps
# back, and whoever has imported this file for that one gets that one.
sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]

if __name__ == "__main__":
    from kerasqueeze.commands import main

    main.script("inspect")
else:
    import importlib

    del sys.modules[__name__]
    sys.modules[__name__] = importlib.import_module(__name__)
