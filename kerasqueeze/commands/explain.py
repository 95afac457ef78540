"""Show where in a photo a trained network sees its classes: a PNG with a heat map over the photo for each class.

    kerasqueeze explain models/fine_tuning_adam_seed0.keras photo.jpg
    kerasqueeze explain dogs.onnx holiday/ --top 2 --out explained
    kerasqueeze explain dogs.onnx photo.jpg --class beagle

SqueezeNet scores every place of its last map and the logit is their mean, so its map is exact: how much each place adds
to the class. Other networks get Grad-CAM, through their .keras file.
"""

import argparse
import sys
from pathlib import Path

from kerasqueeze import progress
from kerasqueeze.commands import options
from kerasqueeze.data.listing import shown


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(usage="%(prog)s MODEL PHOTO [PHOTO...] [OPTIONS]", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="a .keras, .onnx or .tflite file, or imagenet:squeezenet1_1")
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a photo, a folder, a pattern such as '*.jpg', or -")
    parser.add_argument("--weights", metavar="FILE", help="weights of imagenet:NAME (default: downloaded once)")
    parser.add_argument("--runtime", choices=("keras", "onnx", "litert"), help="what computes it (default: the file's)")
    parser.add_argument("--top", type=options.count, default=3, metavar="N", help="classes to show (default: 3)")
    parser.add_argument("--class", dest="classes", type=options.names, metavar="A,B", help="show these instead")
    parser.add_argument("--out", type=options.path, default=".", metavar="DIR", help="where pictures go (default: .)")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Open, explain, draw."""
    options.check_out(arguments.out)
    from kerasqueeze.deploy import photos
    from kerasqueeze.deploy.runtimes import open_model

    classifier = open_model(arguments.model, arguments.runtime, arguments.weights)  # may start the process anew

    from kerasqueeze.data.decode import BrokenPhoto
    from kerasqueeze.deploy import labelled, sheets
    from kerasqueeze.deploy.explain import explain

    wanted = arguments.top
    if arguments.classes:
        wanted = [
            number for number in labelled.match(arguments.classes, classifier.card.class_names) if number is not None
        ]
    failed, taken = 0, set()
    for photo in photos.find(arguments.photos):
        try:
            pixels = photos.prepare(photo.source, classifier.card)
        except BrokenPhoto as error:
            failed += 1
            progress.warn(f"{shown(photo.name)} cannot be decoded ({error.reason}); passed over")
            continue
        found = explain(classifier, pixels, wanted)
        path = _free(arguments.out, Path(photo.name).stem, taken)
        sheets.save(sheets.explained(pixels, found, classifier.class_names), path)
        print(
            f"{shown(str(path))}: "
            + ", ".join(f"{classifier.class_names[c]} {found.probabilities[c]:.3f}" for c in found.classes)
        )
    if failed:
        sys.exit(1)


def _free(out: Path, stem: str, taken: set[Path]) -> Path:
    """Return a path that this command has not written yet: photos of two folders may have one name."""
    stem = "".join(letter if letter.isprintable() else "_" for letter in stem)[:100]
    path, number = out / f"{stem}_explained.png", 2
    while path in taken:
        path, number = out / f"{stem}_{number}_explained.png", number + 1
    taken.add(path)
    return path
