"""The settings of Keras, JAX and XLA that decide what numbers come out, beside the experiment's own.

They come from environment variables, `keras.json` and whoever imports this package. Those that an experiment cannot
mean, and that are easily left over from other work, are refused; the others are recorded with each run and compared
before a run joins others.
"""

import os
from pathlib import Path
from typing import Any

import jax
import keras

from kerasqueeze.errors import UserError
from kerasqueeze.models.fast.switch import is_fast

FIXED = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
"""Keras' settings that are the same for every run, as `keras.json` may have them."""
UNCUT = ("max_epochs", "max_steps_per_epoch")
"""Keras' limits for debugging, which end a training early."""
OF_JAX = (
    "enable_x64",
    "threefry_partitionable",
    "default_prng_impl",
    "random_seed_offset",
    "default_matmul_precision",
    "numpy_dtype_promotion",
    "softmax_custom_jvp",
    "allow_f16_reductions",
    "disable_jit",
    "disable_most_optimizations",
    "optimization_level",
    "exec_time_optimization_effort",
    "use_shardy_partitioner",
)
"""Names of `jax.config`, without `jax_`; a version that lacks one leaves it out."""
VARIABLES = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
"""Environment variables."""


def check() -> None:
    """Refuse settings of Keras that no experiment can mean.

    Raises:
        UserError: One is not that of `FIXED`, or a limit of `UNCUT` is set.
    """
    file = Path(os.environ.get("KERAS_HOME") or "~/.keras") / "keras.json"
    for name, expected in FIXED.items():
        value = getattr(keras.config, name)()
        if value != expected:
            raise UserError(
                f"Keras' {name} is {value!r}; experiments need {expected!r}: change it in {file}, or call "
                f"keras.config.set_{name}({expected!r})"
            )
    for name in UNCUT:
        value = getattr(keras.config, name, lambda: None)()
        if value is not None:
            raise UserError(f"Keras' {name} is {value!r} and would cut the training short; unset KERAS_{name.upper()}")


def settings() -> dict[str, Any]:
    """Return what decides the numbers, as plain values."""
    of_jax = {name: jax.config.values[f"jax_{name}"] for name in OF_JAX if f"jax_{name}" in jax.config.values}
    return {
        **FIXED,
        "dtype_policy": keras.config.dtype_policy().name,
        **{
            name: value if isinstance(value, bool | int | float | None) else str(value)
            for name, value in of_jax.items()
        },
        **{name: _sorted(os.environ.get(name, "")) for name in VARIABLES},
        "platform": jax.default_backend(),
        "device_kind": jax.devices()[0].device_kind,
        "lowering": "fast" if is_fast() else "stock",
    }


def difference(recorded: dict[str, Any] | None, other: dict[str, Any] | None) -> str:
    """Return the first name that two runs' settings have different values of; "" if none, or a run has no record.

    What one of them is too old to have is not compared.
    """
    first, second = recorded or {}, other or {}
    return next((name for name in first if name in second and first[name] != second[name]), "")


def _sorted(flags: str) -> str:
    """Return flags in the order of their names, without those that only write files."""
    return " ".join(sorted(flag for flag in flags.split() if not flag.startswith("--xla_dump")))
