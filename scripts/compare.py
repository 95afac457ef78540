"""Draw two experiments side by side and say what their results tell.

    python scripts/compare.py fine_tuning_adam fine_tuning_amsgrad

Reads CSV/ below --out, writes PNG/<a>_VS_<b>_combined.png and CSV/summary.csv, prints the table and the verdict.
"""

from pathlib import Path

from kerasqueeze import cli


def main() -> None:
    """Parse, read, draw, print."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("a", help="first experiment")
    parser.add_argument("b", help="second experiment")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where CSV/ and PNG/ lie (default: .)")
    arguments = parser.parse_args()
    if arguments.a == arguments.b:
        parser.error(f"{arguments.a!r} is named twice; expected two experiments")

    from kerasqueeze.study import plots, results

    pair = [results.read(arguments.out, name) for name in (arguments.a, arguments.b)]
    verdict = results.compare(*pair)
    path = plots.combined_path(arguments.out, arguments.a, arguments.b)
    plots.draw(pair, path)
    results.write_summary(arguments.out)
    print(results.markdown(results.summarise(pair)), verdict, f"Picture: {path}", sep="\n\n")


if __name__ == "__main__":
    cli.command(main)
