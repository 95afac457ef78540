"""Export, compare, and only then give the file its name."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np

from kerasqueeze.deploy.export import FORMATS, check
from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier
from kerasqueeze.errors import UserError, unknown
from kerasqueeze.files import whole_file


def export(
    classifier: KerasClassifier,
    path: Path,
    format: str,
    quantize: str = "none",
    images: np.ndarray | None = None,
    calibration: np.ndarray | None = None,
) -> check.Agreement:
    """Write a network in another format; the file appears whole, after it was compared with Keras, or not at all.

    Args:
        classifier: The network.
        path: The file to write; one of the format's suffixes.
        format: One of `FORMATS`.
        quantize: How weights are stored; one of the format's `QUANTIZE`.
        images: uint8 (N, S, S, 3) to compare on; default cut-outs of the photos that scikit-learn ships.
        calibration: uint8 (N, S, S, 3) that weights of few bits are rounded by; photos of the network's own kind.

    Raises:
        UserError: The format does not take this network or quantisation, a package is missing, or the file disagrees
            with Keras.
    """
    module = module_of(format, quantize)
    if images is None:
        images = check.sample_images(classifier.card.pixels)
    with whole_file(path) as part:
        module.write(classifier, part, quantize, calibration)
        agreement = check.compare(classifier, module.open_written(part), images)
        check.require(agreement, quantize)
    return agreement


def module_of(format: str, quantize: str) -> ModuleType:
    """Return the module of a format.

    Raises:
        UserError: There is none, or it does not know the quantisation.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    module = importlib.import_module(f"kerasqueeze.deploy.export.{FORMATS[format]}")
    if quantize not in module.QUANTIZE:
        raise UserError(
            f"{format} files have no weights stored as {quantize!r}; choose from: {', '.join(module.QUANTIZE)}"
        )
    return module
