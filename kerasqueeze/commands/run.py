"""Train named experiments and write their CSV, JSON and PNG files and the results table.

    kerasqueeze run                   # both digits experiments, offline
    kerasqueeze run --list
    kerasqueeze run --exp fine_tuning_adam,fine_tuning_amsgrad --data-dir ~/stanford_dogs --seeds 0,1,2

Options change the experiment's own settings. A seed that is finished is not run again; results of other settings are
not overwritten (use --out or --fresh).
"""

import argparse

from kerasqueeze import progress
from kerasqueeze.commands import options
from kerasqueeze.startup.command import begin


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    options.add_experiments(parser, "experiments to run (default: the two on digits)")
    parser.add_argument("--list", action="store_true", help="show the experiments with their settings and leave")
    options.add_data_dir(parser)
    options.add_seeds(parser, default="0")
    options.add_out(parser)
    parser.add_argument("--fresh", action="store_true", help="drop earlier results of these experiments and start over")
    parser.add_argument("--skip-broken", action="store_true", help="leave out photos that cannot be read, by name")
    options.add_training(parser)
    options.add_settings(parser)
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Run, draw, print."""
    from kerasqueeze.study import experiments

    if arguments.list:
        print(experiments.listing())
        return
    changes = options.settings(arguments)
    chosen = [experiments.get(name).override(**changes) for name in arguments.exp or experiments.DEFAULT]
    options.check_out(arguments.out, "CSV", "PNG", "models")
    progress.set_quiet(arguments.quiet)
    begin()

    from kerasqueeze.models.fast.switch import set_lowering
    from kerasqueeze.training import runner

    set_lowering(arguments.lowering)
    for experiment in chosen:
        runner.run(
            experiment,
            arguments.seeds,
            data_dir=arguments.data_dir,
            out=arguments.out,
            fresh=arguments.fresh,
            on_broken="skip" if arguments.skip_broken else "fatal",
            feed=arguments.feed,
        )
        from kerasqueeze.study.figures import experiment as figures  # after training has begun: it imports matplotlib

        figures.draw(arguments.out, experiment.name)

    from kerasqueeze.study import summary

    print(summary.markdown(summary.write_summary(arguments.out)))
