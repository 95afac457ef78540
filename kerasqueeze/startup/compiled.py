"""Programs that JAX compiled, kept on disk: the next start of the same shapes begins at once."""

import os

from kerasqueeze.files import cache_dir


def keep_compiled() -> None:
    """Let JAX keep what it compiles in `files.cache_dir()`, unless the user chose a place."""
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # small programs are many
