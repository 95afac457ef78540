"""Train experiments over a grid of learning rates at equal budgets, by validation alone: the test photos stay unseen.

    kerasqueeze sweep --exp digits_scratch_adam,digits_scratch_amsgrad --epochs 5
    kerasqueeze sweep --exp fine_tuning_adam,fine_tuning_amsgrad --learning-rates 1e-4,3e-4,1e-3 --data-dir DIR

Writes CSV/sweep.csv and PNG/sweep.png below --out; each point is kept in sweep/NAME/lr_RATE/. What is finished is not
run again, so a sweep can be broken off, continued, and extended by more rates.
"""

import argparse
import functools

from kerasqueeze import progress
from kerasqueeze.commands import options
from kerasqueeze.errors import UserError
from kerasqueeze.startup.command import begin


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    options.add_experiments(parser, "experiments to sweep", required=True)
    parser.add_argument("--learning-rates", metavar="X[,X...]", help="the grid, instead of the next three")
    parser.add_argument("--from", dest="low", type=float, default=1e-5, metavar="X", help="lowest (default: 1e-5)")
    parser.add_argument("--to", dest="high", type=float, default=1e-2, metavar="X", help="highest (default: 1e-2)")
    parser.add_argument(
        "--points", type=int, default=7, metavar="N", help="rates, evenly apart in their logarithm (default: 7)"
    )
    options.add_seeds(parser, default="0")
    options.add_data_dir(parser)
    options.add_out(parser)
    parser.add_argument("--fresh", action="store_true", help="drop earlier results of these points and start over")
    parser.add_argument("--skip-broken", action="store_true", help="leave out photos that cannot be read, by name")
    options.add_training(parser)
    options.add_settings(parser, leave_out=("learning_rate",))
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Run, draw, print."""
    from kerasqueeze.study import experiments

    changes = options.settings(arguments)
    chosen = [experiments.get(name).override(**changes) for name in arguments.exp]
    for experiment in chosen:
        if not experiment.epochs:
            raise UserError(f"{experiment.name} has epochs=0, which no learning rate changes; give 1 or more: --epochs")
    options.check_out(arguments.out, "CSV", "PNG", "sweep")
    progress.set_quiet(arguments.quiet)
    begin()

    from kerasqueeze.models.fast.switch import set_lowering
    from kerasqueeze.study import sweep
    from kerasqueeze.training import runner

    given = arguments.learning_rates
    rates = (
        sweep.log_grid(arguments.low, arguments.high, arguments.points) if given is None else sweep.parse_rates(given)
    )
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
        progress.warn(line)
