"""Draw the photos that a trained network is most wrong about: those with the highest loss, as a contact sheet.

    kerasqueeze worst --model models/fine_tuning_adam_seed0.keras --data-dir ~/my_dogs --out worst.png
    kerasqueeze worst --model dogs.onnx --dataset stanford_dogs --data-dir DIR --part validation

Under each photo: the probability that the network gives its true class, and the class that it says instead.
Mislabelled, odd and ambiguous photos come first; look before you blame the network.
"""

import argparse

from kerasqueeze.commands import options
from kerasqueeze.errors import UserError


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(usage="%(prog)s --model MODEL --data-dir DIR [OPTIONS]", description=__doc__)
    options.add_model(parser)
    options.add_data_dir(parser)
    parser.add_argument("--dataset", metavar="NAME", help="photos of a data set in place of a folder")
    parser.add_argument(
        "--part", choices=("validation", "test"), default="validation", help="of the data set (default: validation)"
    )
    parser.add_argument(
        "--skip-unknown", action="store_true", help="leave out folders that are no class of the network"
    )
    parser.add_argument("--count", type=options.count, default=24, metavar="N", help="photos to draw (default: 24)")
    parser.add_argument("--out", type=options.path, default="worst.png", metavar="FILE", help="default: worst.png")
    parser.add_argument("--force", action="store_true", help="replace a picture that is there")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Open, score, draw."""
    if arguments.data_dir is None and arguments.dataset is None:
        raise UserError("no photos named; expected --data-dir DIR with one folder a class, or --dataset NAME")
    if arguments.out.is_dir():
        raise UserError(f"{arguments.out} is a folder; name a file for the picture: --out FILE.png")
    if arguments.out.suffix.lower() != ".png":
        raise UserError(f"{arguments.out} is no name for a picture; name one that ends in .png: --out FILE.png")
    if arguments.out.exists() and not arguments.force:
        raise UserError(f"{arguments.out} is there already; replace it with --force, or name another: --out FILE.png")
    options.check_out(arguments.out.parent)
    from kerasqueeze.deploy.runtimes import open_model

    classifier = open_model(arguments.model, arguments.runtime, arguments.weights)  # may start the process anew

    import numpy as np

    from kerasqueeze.deploy import labelled, sheets

    if arguments.dataset:
        found = labelled.of_set(classifier, arguments.dataset, arguments.data_dir, part=arguments.part)
    else:
        unknown = "skip" if arguments.skip_unknown else "fatal"
        found = labelled.of_folder(classifier, options.folder(arguments.data_dir), unknown)
    probabilities = classifier.calibrated(found.logits)
    true = probabilities[np.arange(len(found.labels)), found.labels]
    names, tiles = classifier.class_names, []
    for place in np.argsort(true, kind="stable")[: arguments.count]:
        said = int(probabilities[place].argmax())
        lines = [
            f"{true[place]:.3f} for {names[found.labels[place]]}",
            f"{probabilities[place, said]:.3f} for {names[said]}",
            found.names[place].rpartition("/")[2],
        ]
        tiles.append((found.pixels(int(place)), lines))
        print(f"{-np.log(max(true[place], 1e-300)):.3f}  {found.names[place]}: {lines[0]}; {lines[1]}")
    sheets.save(sheets.sheet(tiles, min(6, len(tiles))), arguments.out)
    print(arguments.out)
