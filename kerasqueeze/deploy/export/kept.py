"""Exported files that a command needs on its way, kept in the cache."""

import hashlib
import importlib.metadata
from pathlib import Path

from kerasqueeze.deploy.runtimes import RUNTIMES
from kerasqueeze.deploy.runtimes import open_model as open_any
from kerasqueeze.files import cache_dir
from kerasqueeze.locks import locked


def exported(model: str, weights: str | None, runtime: str) -> Path:
    """Return a `.keras` file, or "imagenet:NAME", exported for another runtime: anew where the cache has none.

    Raises:
        UserError: There is no such model, or it cannot be exported.
    """
    found = hashlib.sha256(f"{importlib.metadata.version('kerasqueeze')}\n{model}\n".encode())
    for path in (model, weights):
        if path and Path(path).is_file():
            with Path(path).open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    path = (
        cache_dir() / "exported" / f"{Path(model).stem.replace(':', '_')}_{found.hexdigest()[:16]}{RUNTIMES[runtime]}"
    )
    with locked(path):
        if not path.exists():
            classifier = open_any(model, "keras", weights)
            # Keras, which what is kept already does not need.
            from kerasqueeze.deploy.export import run
            from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier

            assert isinstance(classifier, KerasClassifier)
            run.export(classifier, path, runtime)
    return path
