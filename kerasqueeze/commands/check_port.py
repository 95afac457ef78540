"""Prove that ported weights predict what torchvision predicts.

    kerasqueeze check-port --weights squeezenet1_1-b8a52dc0.pth --photos ~/photos

Compares with torchvision's stored results, and with torchvision itself where it is installed: the model's error for the
same pixels, the preprocessing's for the same photo file, and both together. Exit code 1 if one is too large.
"""

import argparse
import sys

from kerasqueeze.commands import options
from kerasqueeze.startup.command import begin

SUFFIXES = (".jpg", ".jpeg", ".png")


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    parser.add_argument("--weights", type=options.path, required=True, metavar="FILE", help="weights with 1000 classes")
    parser.add_argument("--variant", default="1.1", choices=("1.0", "1.1"), help="what they are for (default: 1.1)")
    parser.add_argument(
        "--photos",
        type=options.path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="photos or folders to classify as well (default: none)",
    )
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Compare, print."""
    photos = [
        file
        for path in arguments.photos
        for file in (sorted(path.iterdir()) if path.is_dir() else [path])
        if not path.is_dir() or file.suffix.lower() in SUFFIXES
    ]
    begin()

    from kerasqueeze.data.decode import read_photo
    from kerasqueeze.models.weights import port_check

    findings = []
    for finding in port_check.check(arguments.weights, arguments.variant, read_photo):
        print(finding)
        findings.append(finding)
    if not port_check.is_known(arguments.weights, arguments.variant):
        print("note: torchvision's results for these weights are not stored; with torch and torchvision installed they")
        print("      are computed and compared")
    for line in port_check.predictions(arguments.weights, arguments.variant, photos, read_photo):
        print(line)
    if not all(finding.passed for finding in findings):
        sys.exit(1)
