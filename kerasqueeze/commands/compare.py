"""Draw two experiments side by side and say what their results tell.

    kerasqueeze compare fine_tuning_adam fine_tuning_amsgrad

Reads CSV/ below --out, writes PNG/<a>_VS_<b>_combined.png and CSV/summary.csv, prints the table and the verdict.

Seeds are pairs when the records show the same initial weights, the same first batch and the same code; the verdict is
then over their differences. Otherwise (another initialisation, image size or code, or records too old to show it) it
is Welch's t over all seeds of each arm, and says "not paired" and why. --paired refuses that second kind. A network
that was only scored is one fixed number that the other's seeds are held against.
"""

import argparse

from kerasqueeze.commands import options
from kerasqueeze.errors import UserError


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(usage="%(prog)s A B [OPTIONS]", description=__doc__)
    parser.add_argument("a", metavar="A", help="first experiment")
    parser.add_argument("b", metavar="B", help="second experiment")
    options.add_out(parser)
    parser.add_argument("--paired", action="store_true", help="refuse arms whose seeds are not shown to be pairs")
    options.add_margin(parser)
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Read, draw, print."""
    if arguments.a == arguments.b:
        raise UserError(f"{arguments.a!r} is named twice; expected two experiments")
    options.check_out(arguments.out, "CSV", "PNG")

    from kerasqueeze.study import pairing, results, summary, verdicts
    from kerasqueeze.study.figures import curves

    pair = [results.read(arguments.out, name) for name in (arguments.a, arguments.b)]
    pairing.check_same_photos(*pair)
    if arguments.paired:
        pairing.demand_paired(*pair)
    verdict = verdicts.compare(*pair, margin=arguments.margin)
    path = curves.combined_path(arguments.out, arguments.a, arguments.b)
    curves.draw(pair, path)
    summary.write_summary(arguments.out)
    table = summary.markdown(summary.summarise(pair, results.read_all(arguments.out)))
    print(table, verdict, f"Picture: {path}", sep="\n\n")
