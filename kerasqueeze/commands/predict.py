"""Classify photos with a trained network: the most probable classes with calibrated probabilities.

    kerasqueeze predict --model models/fine_tuning_adam_seed0.keras photo.jpg holiday/ '*.png'
    kerasqueeze predict --model imagenet:squeezenet1_1 --weights squeezenet1_1-787c40f1.pth photo.jpg --json
    cat photo.jpg | kerasqueeze predict --model dogs.onnx -

Folders stand for all photos below them, - for one photo on standard input. A photo that cannot be read is named and
passed over; the exit code is then 1. An .onnx or .tflite file (`export`) answers soonest: neither Keras nor JAX is
loaded.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable

from kerasqueeze import progress
from kerasqueeze.commands import options
from kerasqueeze.data.listing import shown


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(usage="%(prog)s --model MODEL PHOTO [PHOTO...] [OPTIONS]", description=__doc__)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a photo, a folder, a pattern such as '*.jpg', or -")
    options.add_model(parser)
    parser.add_argument("--top", type=options.count, default=5, metavar="N", help="classes to name (default: 5)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a photo, one a line")
    form.add_argument("--csv", action="store_true", help="print CSV, a row for each photo and class")
    parser.add_argument("--quiet", action="store_true", help="show no progress, only warnings, errors and results")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Find, open, predict, print."""
    from kerasqueeze.deploy import photos, predict
    from kerasqueeze.deploy.runtimes import open_model

    progress.set_quiet(arguments.quiet)
    classifier = open_model(arguments.model, arguments.runtime, arguments.weights)  # may start the process anew
    found = photos.find(arguments.photos)
    show = _as_json if arguments.json else _as_csv if arguments.csv else _as_table
    failed = 0
    bar = progress.bar("classifying", "classify", len(found), "photo") if len(found) > 1 else None
    try:
        for number, prediction in enumerate(predict.predict(classifier, found)):
            if bar is not None:
                bar.update()
            if prediction.failed:
                failed += 1
                progress.warn(f"{shown(prediction.photo.name)} cannot be decoded ({prediction.failed}); passed over")
            with progress.above_bars(sys.stderr):
                show(number, prediction, [(classifier.class_names[c], p) for c, p in prediction.top(arguments.top)])
                sys.stdout.flush()
    finally:
        if bar is not None:
            bar.close()
    if failed:
        progress.warn(f"{failed} of {len(found)} photos could not be read")
        sys.exit(1)


def _as_table(number: int, prediction, classes: Iterable[tuple[str, float]]) -> None:
    if prediction.failed:
        return
    print(f"{chr(10) if number else ''}{shown(prediction.photo.name)}")
    for name, probability in classes:
        print(f"  {probability:.3f}  {shown(name)}")


def _as_json(number: int, prediction, classes: Iterable[tuple[str, float]]) -> None:
    found = {"photo": prediction.photo.name}
    if prediction.failed:
        found["error"] = prediction.failed
    else:
        found["classes"] = [{"class": name, "probability": round(p, 6)} for name, p in classes]
    print(json.dumps(found))


def _as_csv(number: int, prediction, classes: Iterable[tuple[str, float]]) -> None:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    if number == 0:
        rows.writerow(["photo", "rank", "class", "probability", "error"])
    if prediction.failed:
        rows.writerow([prediction.photo.name, "", "", "", prediction.failed])
    for rank, (name, probability) in enumerate(classes, start=1):
        rows.writerow([prediction.photo.name, rank, name, f"{probability:.6f}", ""])
