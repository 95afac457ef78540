"""Keras imported without scikit-learn and matplotlib, for commands: half of its import's time.

Keras imports both where they are installed, for `keras.wrappers` and its image galleries, which no command uses. While
Keras is imported here they count as not installed; afterwards whoever needs them imports them as ever.
"""

import sys

UNUSED = ("matplotlib", "sklearn")


def import_keras() -> None:
    """Import Keras, with `UNUSED` out of its sight."""
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: importing it raises ImportError
    try:
        import keras  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
