"""Train experiments over a grid of learning rates at equal budgets, by validation alone: the test photos stay unseen.

    python scripts/sweep.py --exp digits_scratch_adam,digits_scratch_amsgrad --epochs 5
    python scripts/sweep.py --exp fine_tuning_adam,fine_tuning_amsgrad --learning-rates 1e-4,3e-4,1e-3 --data-dir DIR

Writes CSV/sweep.csv and PNG/sweep.png below --out; each point is kept in sweep/NAME/lr_RATE/. What is finished is not
run again, so a sweep can be broken off, continued, and extended by more rates.
"""

import functools
import sys
from pathlib import Path

__command__ = True  # see kerasqueeze/__init__.py

from kerasqueeze.commands import options


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    parser.add_argument("--exp", metavar="NAME[,NAME…]", required=True, help="experiments to sweep")
    parser.add_argument("--learning-rates", metavar="1e-5,1e-4", help="the grid, instead of the next three")
    parser.add_argument("--from", dest="low", type=float, default=1e-5, help="lowest rate (default: 1e-5)")
    parser.add_argument("--to", dest="high", type=float, default=1e-2, help="highest rate (default: 1e-2)")
    parser.add_argument("--points", type=int, default=7, help="rates, evenly apart in their logarithm (default: 7)")
    parser.add_argument(
        "--seeds", type=options.seeds, default=[0], metavar="0,1,2", help="one run for each (default: 0)"
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the photos are")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where all results lie (default: .)")
    parser.add_argument("--fresh", action="store_true", help="drop earlier results of these points and start over")
    parser.add_argument("--skip-broken", action="store_true", help="leave out photos that cannot be read, by name")
    options.add_ways(parser)
    options.add_settings(parser, [name for name in options.SETTINGS if name != "learning_rate"])
    return parser


def main() -> None:
    """Parse, run, draw, print."""
    arguments = parser().parse_args()
    from kerasqueeze.study import experiments, sweep

    given = arguments.learning_rates
    rates = sweep.parse_rates(given) if given else sweep.log_grid(arguments.low, arguments.high, arguments.points)
    chosen = [experiments.get(name).override(**options.settings(arguments)) for name in arguments.exp.split(",")]

    from kerasqueeze.models.fast.switch import set_lowering
    from kerasqueeze.training import runner

    set_lowering(arguments.lowering)
    train = functools.partial(
        runner.run,
        data_dir=arguments.data_dir,
        fresh=arguments.fresh,
        on_broken="skip" if arguments.skip_broken else "fatal",
        score_test=False,
        feed=arguments.feed,
    )
    table = sweep.run(chosen, rates, arguments.seeds, train, arguments.out)

    from kerasqueeze.study.figures import sweep_curves  # after training: it imports matplotlib

    print(sweep.markdown(table), f"Picture: {sweep_curves.draw(table, arguments.out)}", sep="\n\n")
    for line in sweep.edge_warnings(table):
        print(line, file=sys.stderr)


if __name__ == "__main__":
    options.command(main)
