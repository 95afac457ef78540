"""Write a trained network as a file for another runtime, checked against Keras on the same photos.

    kerasqueeze export models/fine_tuning_adam_seed0.keras --format onnx
    kerasqueeze export models/fine_tuning_adam_seed0.keras --format onnx --quantize int8 --photos dogs/
    kerasqueeze export models/fine_tuning_adam_seed0.keras --format litert --quantize int8 --out dogs.tflite

The file takes RGB uint8 pixels, any number of images, gives probabilities, and carries class names and model card. It
is run by its own runtime and compared with Keras on --photos; where it disagrees, the command ends with 2 and leaves
nothing. The same network gives the same bytes.

onnx: for ONNX Runtime; weights as float32, float16, int8, or with 6 or 5 bits. What has fewer than 8 bits is rounded by
what photos of the network's own kind (--photos, 200 will do) make of it, and written compressed, .onnx.xz; int8 too is
rounded so where there are photos. litert: .tflite; float32, float16, int8.
safetensors: the weights with the network's configuration, for `--model` and other programs. saved_model: a zip of
TensorFlow's format, which needs TensorFlow.
"""

import argparse
from pathlib import Path

from kerasqueeze import progress
from kerasqueeze.commands import options
from kerasqueeze.errors import UserError

FORMATS = ("onnx", "litert", "safetensors", "saved_model")
FEW = ("int6", "int5")
QUANTIZE = ("none", "float16", "int8", "int6", "int5")


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(usage="%(prog)s MODEL --format FORMAT [OPTIONS]", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="a .keras file, or imagenet:squeezenet1_1")
    parser.add_argument("--weights", metavar="FILE", help="weights of imagenet:NAME (default: downloaded once)")
    parser.add_argument("--format", required=True, choices=FORMATS, help=f"{', '.join(FORMATS)}")
    parser.add_argument("--quantize", choices=QUANTIZE, default="none", help="how weights are stored (default: none)")
    parser.add_argument(
        "--photos", nargs="+", metavar="PHOTO", help="photos or folders to compare on (default: scikit-learn's two)"
    )
    parser.add_argument(
        "--most", type=options.count, default=256, metavar="N", help="most photos to compare on (default: 256)"
    )
    parser.add_argument("--out", type=options.path, metavar="FILE", help="the file (default: beside MODEL)")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Open, export, say how it agrees."""
    from kerasqueeze.deploy import photos
    from kerasqueeze.deploy.runtimes import open_model

    classifier = open_model(arguments.model, "keras", arguments.weights)  # may start the process anew

    import numpy as np

    from kerasqueeze.deploy.export import check, run
    from kerasqueeze.deploy.runtimes.keras_runtime import KerasClassifier

    assert isinstance(classifier, KerasClassifier)
    module = run.module_of(arguments.format, arguments.quantize)
    path = arguments.out or _beside(arguments.model, module.suffix(arguments.quantize), arguments.quantize)
    if path.exists() and Path(arguments.model).exists() and path.samefile(arguments.model):
        raise UserError(f"{path} is the network itself; name another file: --out FILE")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file: --out FILE")
    if path.exists() and not arguments.force:
        raise UserError(f"{path} is there already; replace it with --force, or name another: --out FILE")
    images = calibration = None
    if arguments.photos:
        found = photos.find(arguments.photos)
        step = max(1, len(found) // arguments.most)
        read = [pixels for _, pixels in photos.decoded(found[::step][: arguments.most], classifier.card)]
        usable = [pixels for pixels in read if isinstance(pixels, np.ndarray)]
        if not usable:
            raise UserError(f"none of the {len(read)} photos can be decoded; expected some to compare on")
        images = calibration = np.stack(usable)
        if arguments.quantize in ("int8", *FEW) and len(usable) > 1:  # not compared on what it was rounded by
            images, calibration = images[::2], images[1::2]
    elif arguments.quantize in FEW:
        raise UserError(
            f"{arguments.quantize} rounds weights by what photos make of them; name some of the network's "
            "kind: --photos DIR"
        )
    agreement = run.export(classifier, path, arguments.format, arguments.quantize, images, calibration)
    if images is None:
        progress.say(f"compared on cut-outs of two photos, {check.SAMPLES} images; --photos is better")
    print(f"{path} ({path.stat().st_size:,} bytes) {agreement}")


def _beside(model: str, suffix: str, quantize: str) -> Path:
    path = Path(model.replace("imagenet:", "imagenet_"))
    return path.with_name(f"{path.stem}{'' if quantize == 'none' else f'_{quantize}'}{suffix}")
