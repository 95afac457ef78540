"""A quick start for commands: what takes time while Keras is imported and JAX traces, and is of no use to them.

- Keras imports scikit-learn, matplotlib and pandas where they are installed, for `keras.wrappers`, its image galleries
  and data in pandas' tables: half of its import's time. Here they count as not installed while it is imported;
  afterwards whoever needs them imports them as ever.
- Of these the training itself needs pandas, for the history, but not before the first epoch ends: `lazily`.
- Python looks for cyclic garbage after some hundred new objects, and JAX has it look through its caches as well.
  Modules and traces are very many objects and hardly any of them garbage.
"""

import gc
import importlib.util
import sys
from types import ModuleType

UNUSED = ("matplotlib", "pandas", "sklearn")
NEW_OBJECTS = 100_000
"""New objects after which garbage is looked for; at most some ten megabytes."""


def start() -> None:
    """Have garbage looked for rarely, and import Keras with `UNUSED` out of its sight."""
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: importing it raises ImportError
    try:
        import keras  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]


def lazily(name: str) -> ModuleType:
    """Return a module that is loaded when it is first used; or as it is, if it is loaded.

    Raises:
        ModuleNotFoundError: If there is none.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # notes what to load, and how, once an attribute is asked for
    return module
