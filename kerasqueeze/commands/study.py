"""Run a whole study, experiments times seeds, as far as it is not finished; stop it and start it again at will.

    kerasqueeze study --exp zero_training,fine_tuning_adam,fine_tuning_amsgrad --seeds 0,1,2 --data-dir DIR
    kerasqueeze study --exp digits_scratch_adam,digits_scratch_amsgrad --seeds 0,1,2 --dry-run

Each run is one of `kerasqueeze run`'s. All experiments of a seed come before the next seed. Says what is left and about
how long it will take. --weights is for the experiments that begin with pretrained weights.
"""

import argparse

from kerasqueeze import progress
from kerasqueeze.commands import options
from kerasqueeze.startup.command import begin
from kerasqueeze.training.experiment import Experiment


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    options.add_experiments(parser, "experiments of the study (default: the two on digits)")
    options.add_seeds(parser, default="0,1,2")
    options.add_data_dir(parser)
    options.add_out(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what is left and leave")
    options.add_training(parser)
    options.add_settings(parser)
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Run what is left, print the table."""
    from kerasqueeze.study import experiments

    changes = options.settings(arguments)
    from_scratch = {key: value for key, value in changes.items() if key != "weights"}
    chosen = [experiments.get(name) for name in arguments.exp or experiments.DEFAULT]
    chosen = [one.override(**(from_scratch if one.weights == "none" else changes)) for one in chosen]
    if not arguments.dry_run:
        options.check_out(arguments.out, "CSV", "PNG", "models")
        progress.set_quiet(arguments.quiet)
        begin()

    from kerasqueeze.study import schedule

    runs = schedule.runs(chosen, arguments.seeds)
    if arguments.dry_run:
        print(schedule.outlook(runs, arguments.out))
        return

    from kerasqueeze.models.fast.switch import set_lowering
    from kerasqueeze.training import runner

    set_lowering(arguments.lowering)

    def train(experiment: Experiment, seed: int) -> None:
        runner.run(experiment, [seed], data_dir=arguments.data_dir, out=arguments.out, feed=arguments.feed)
        from kerasqueeze.study.figures import experiment as figures  # after training: it imports matplotlib

        figures.draw(arguments.out, experiment.name)

    schedule.carry_out(runs, arguments.out, train, progress.say)

    from kerasqueeze.study import summary

    print(summary.markdown(summary.write_summary(arguments.out)))
