"""Write REPORT.md, and the same as one self-contained REPORT.html, from what the experiments left behind.

    python scripts/report.py
    python scripts/report.py --out results --exp digits_scratch_adam,digits_scratch_amsgrad

Every number comes from CSV/ below --out; the pictures in PNG/ are drawn again, and CSV/<experiment>_classes.csv holds
every class. Files that are partial, stale, of different code or of different photos are named and refused. Experiments
that are not there are named in the report's limits.
"""

from pathlib import Path

from kerasqueeze.commands import options


def main() -> None:
    """Parse, write, print."""
    parser = options.Parser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where CSV/ and PNG/ lie (default: .)")
    parser.add_argument("--exp", metavar="NAME[,NAME…]", help="experiments to report on (default: all of --out)")
    parser.add_argument("--seeds", type=options.seeds, metavar="0,1,2", help="seeds to report on (default: all)")
    arguments = parser.parse_args()

    from kerasqueeze.study import report

    names = arguments.exp.split(",") if arguments.exp else None
    for path in report.write(arguments.out, names, arguments.seeds):
        print(path)


if __name__ == "__main__":
    options.command(main)
