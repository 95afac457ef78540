"""What each export of a trained network costs and keeps: size, accuracy, difference to Keras, speed, first answer.

    python -m kerasqueeze.bench.exports models/fine_tuning_adam_seed0.keras --dataset stanford_dogs --data-dir DIR

Each format and precision is exported, weights of few bits rounded by 256 training photos, and scored on the whole test
half by the file's own runtime; nothing is chosen by these scores. Speed is that of 256 photos at 32 a batch, decoding
not counted; the first answer is a whole `kerasqueeze predict` for one photo, median of five. Writes
CSV/bench_exports.csv below --out.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasqueeze.data import datasets
from kerasqueeze.deploy import photos
from kerasqueeze.deploy.classifier import Classifier, softmax
from kerasqueeze.deploy.export import check, run
from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier, load
from kerasqueeze.files import whole_file
from kerasqueeze.study import calibration
from kerasqueeze.study import statistics as study_statistics
from kerasqueeze.training import provenance

WAYS = (
    ("onnx", "none"),
    ("onnx", "float16"),
    ("onnx", "int8"),
    ("onnx", "int6"),
    ("onnx", "int5"),
    ("litert", "none"),
    ("litert", "float16"),
    ("litert", "int8"),
    ("safetensors", "none"),
    ("safetensors", "int8"),
)
CALIBRATION, COMPARED, BATCH, TIMES = 256, 256, 32, 5


def main() -> None:
    """Read the options, measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--dataset", default="stanford_dogs")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", type=Path, default=Path())
    arguments = parser.parse_args()
    classifier = load(arguments.model)
    data = datasets.load(arguments.dataset, image_size=classifier.card.image_size, data_dir=arguments.data_dir)
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(classifier, arguments.model, data, Path(folder))
    frame = pd.DataFrame(rows)
    path = arguments.out / "CSV" / "bench_exports.csv"
    with whole_file(path) as part:
        frame.to_csv(part, index=False, lineterminator="\n")
    print(frame.to_string(index=False))


def measured(classifier: KerasClassifier, model: Path, data: datasets.DataSet, folder: Path) -> list[dict[str, Any]]:
    """Return a row for Keras and for each of `WAYS`."""
    images, labels = data.test.batch(range(len(data.test)))
    chosen = np.sort(np.random.default_rng(0).choice(len(data.train), CALIBRATION, replace=False))
    training, _ = data.train.batch(chosen)
    photo = folder / "photo.png"
    photo.write_bytes(photos.as_png(np.asarray(images[0])))
    reference = classifier.logits(images)
    rows = [_row("keras", "none", model, classifier, None, reference, reference, labels, photo)]
    rate = check.compare(classifier, classifier, images[:COMPARED]).images_per_second
    rows[0]["images_per_second"] = round(rate, 1)
    for format, quantize in WAYS:
        path = folder / f"{format}_{quantize}{run.module_of(format, quantize).suffix(quantize)}"
        agreement = run.export(classifier, path, format, quantize, images[:COMPARED], training)
        exported = run.module_of(format, quantize).open_written(path)
        rows.append(
            _row(format, quantize, path, exported, agreement, exported.logits(images), reference, labels, photo)
        )
        print(rows[-1], file=sys.stderr)
    return rows


def _row(
    format: str,
    quantize: str,
    path: Path,
    classifier: Classifier,
    agreement: check.Agreement | None,
    logits: np.ndarray,
    reference: np.ndarray,
    labels: np.ndarray,
    photo: Path,
) -> dict[str, Any]:
    right = logits.argmax(1) == labels
    accuracy = study_statistics.wilson(float(right.mean()), len(labels))
    both = study_statistics.mcnemar(right, reference.argmax(1) == labels).difference
    sure = softmax(logits.astype(np.float64) / classifier.card.temperature).max(axis=1)
    return {
        "format": format,
        "weights": quantize,
        "bytes": path.stat().st_size,
        "accuracy": round(accuracy.estimate, 4),
        "accuracy_low": round(accuracy.low, 4),
        "accuracy_high": round(accuracy.high, 4),
        "lost": round(-both.estimate, 4) + 0.0,  # no minus zero
        "lost_low": round(-both.high, 4),
        "lost_high": round(-both.low, 4),
        "calibration_error": round(calibration.reliability(sure, right).error, 4),
        "largest_difference": float(f"{np.abs(logits - reference).max():.3g}"),
        "same_class": round(float((logits.argmax(1) == reference.argmax(1)).mean()), 4),
        "images_per_second": round(agreement.images_per_second, 1) if agreement else None,
        "keras_images_per_second": round(agreement.keras_images_per_second, 1) if agreement else None,
        "first_answer_seconds": round(_first_answer(path, photo), 2),
        "photos": len(labels),
        "processor": provenance.hardware()["processor"],
    }


def _first_answer(model: Path, photo: Path) -> float:
    """Return the seconds of a whole `kerasqueeze predict`, median of `TIMES` after one that is not counted."""
    command = [sys.executable, "-m", "kerasqueeze", "predict", "--model", str(model), "--quiet", str(photo)]
    seconds = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
