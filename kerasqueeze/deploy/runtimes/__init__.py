"""What computes a network, by name: one module each, imported when it is used."""

import importlib
from pathlib import Path

from kerasqueeze.deploy.classifier import Classifier
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.startup.command import begin

RUNTIMES = {"keras": ".keras", "onnx": ".onnx", "litert": ".tflite"}
"""By name the suffix of the files that it reads."""
IMAGENET = "imagenet:"
COMPRESSED = ".xz"
SAFETENSORS = ".safetensors"


def open_model(model: str, runtime: str | None = None, weights: str | None = None) -> Classifier:
    """Return a trained network, ready to use.

    Args:
        model: Path of a `.keras`, `.onnx` or `.tflite` file, or "imagenet:NAME" for a SqueezeNet with ImageNet's
            weights and classes.
        runtime: One of `RUNTIMES`. A `.keras` file is exported for another runtime than its own, once; the exported
            file is kept in the cache. Default: what the file's suffix says.
        weights: For "imagenet:NAME", the path of its weights; default torchvision's file, downloaded once.

    Raises:
        UserError: There is no such file or runtime, it is damaged, or a package that it needs is not installed.
    """
    if runtime is not None and runtime not in RUNTIMES:
        raise unknown("runtime", runtime, RUNTIMES)
    found = _of_file(model)
    if weights is not None and not model.startswith(IMAGENET):
        raise UserError(f"--weights is for {IMAGENET}NAME; {model!r} has its own weights")
    if found == "keras" and runtime not in (None, "keras"):
        from kerasqueeze.deploy.export import kept

        return open_model(str(kept.exported(model, weights, runtime)))
    if runtime not in (None, found):
        raise UserError(f"{model!r} is for the runtime {found}, not {runtime}; export the .keras file for {runtime}")
    if found == "keras":
        begin()  # a command loads Keras when it has read its options
    module = importlib.import_module(f"kerasqueeze.deploy.runtimes.{found}_runtime")
    if model.startswith(IMAGENET):
        return module.imagenet(model.removeprefix(IMAGENET), weights)
    path = Path(model).expanduser()
    if not path.is_file():
        raise UserError(f"no model file at {model!r}; expected {_expected()}")
    if model.lower().endswith(SAFETENSORS):
        from kerasqueeze.deploy.export import to_safetensors

        return to_safetensors.open_written(path)
    return module.load(path)


def _of_file(model: str) -> str:
    """Return the runtime of a model by its name."""
    if model.startswith(IMAGENET):
        return "keras"
    name = model.lower().removesuffix(COMPRESSED)
    if name.endswith(SAFETENSORS):
        return "keras"
    for runtime, suffix in RUNTIMES.items():
        if name.endswith(suffix):
            return runtime
    raise UserError(f"{model!r} is no model; expected {_expected()}")


def _expected() -> str:
    return f"a {', '.join(RUNTIMES.values())} or {SAFETENSORS} file, or {IMAGENET}squeezenet1_1"
