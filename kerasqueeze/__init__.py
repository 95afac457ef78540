"""SqueezeNet for Keras 3 on the JAX backend, and a study of how to train it."""

import os
import sys

os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "jax"

if "keras" in sys.modules and sys.modules["keras"].backend.backend() != "jax":
    raise ImportError(
        f"kerasqueeze runs Keras on JAX, but Keras is already imported with the backend "
        f"{sys.modules['keras'].backend.backend()!r}; set KERAS_BACKEND=jax before importing keras"
    )

from kerasqueeze.startup import xla
from kerasqueeze.startup.command import is_command

if not is_command():  # a command reads its arguments before it loads Keras: `startup.command.begin`
    xla.protect()
    from kerasqueeze.models.squeezenet import (
        SqueezeNet1_0,
        SqueezeNet1_1,
        decode_predictions,
        fire_module,
        preprocess_input,
    )

__all__ = ["SqueezeNet1_0", "SqueezeNet1_1", "decode_predictions", "fire_module", "preprocess_input"]
__version__ = "0.1.0"
