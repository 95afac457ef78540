"""A quick start for commands: what takes time while Keras is imported and JAX traces, and is of no use to them.

- Keras imports scikit-learn and matplotlib where they are installed, for `keras.wrappers` and its image galleries: more
  than a third of its import's time. Here they count as not installed while it is imported; afterwards whoever needs
  them imports them as ever.
- Python looks for cyclic garbage after some hundred new objects, and JAX has it look through its caches as well.
  Modules and traces are very many objects and hardly any of them garbage.
"""

import gc
import sys

UNUSED = ("matplotlib", "sklearn")
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
