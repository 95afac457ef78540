"""Write REPORT.md, and the same as one self-contained REPORT.html, from what the experiments left behind.

    kerasqueeze report
    kerasqueeze report --out results --exp digits_scratch_adam,digits_scratch_amsgrad

Every number comes from CSV/ below --out; the pictures in PNG/ are drawn again, and CSV/<experiment>_classes.csv holds
every class. Files that are partial, stale, of different code or of different photos are named and refused. Experiments
that are not there are named in the report's limits.
"""

import argparse

from kerasqueeze.commands import options
from kerasqueeze.errors import UserError


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    options.add_out(parser)
    options.add_experiments(parser, "experiments to report on (default: all of --out)")
    parser.add_argument("--seeds", type=options.seeds, metavar="N[,N...]", help="seeds to report on (default: all)")
    options.add_margin(parser)
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Write, print where."""
    options.check_out(arguments.out, "CSV", "PNG")
    for name in ("REPORT.md", "REPORT.html"):  # before the pictures are drawn again
        if (arguments.out / name).is_dir():
            raise UserError(f"{arguments.out / name} is a folder; move it away, or name another place: --out DIR")

    from kerasqueeze.study import report

    for path in report.write(arguments.out, arguments.exp, arguments.seeds, margin=arguments.margin):
        print(path)
