"""Run a whole study, experiments times seeds, as far as it is not finished; stop it and start it again at will.

    python scripts/study.py --exp zero_training,fine_tuning_adam,fine_tuning_amsgrad --seeds 0,1,2 --data-dir DIR
    python scripts/study.py --exp digits_scratch_adam,digits_scratch_amsgrad --seeds 0,1,2 --dry-run

Each run is one of run.py's. All experiments of a seed come before the next seed. Says what is left and about how long
it will take. --weights is for the experiments that begin with pretrained weights.
"""

import sys
from pathlib import Path

__command__ = True  # see kerasqueeze/__init__.py

from kerasqueeze.commands import options


def main() -> None:
    """Parse, run what is left, print the table."""
    parser = options.Parser(description=__doc__)
    parser.add_argument("--exp", metavar="NAME[,NAME…]", help="experiments of the study (default: the two on digits)")
    parser.add_argument("--seeds", type=options.seeds, default=[0, 1, 2], metavar="0,1,2", help="(default: 0,1,2)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the photos are")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where CSV/ and PNG/ lie (default: .)")
    parser.add_argument("--dry-run", action="store_true", help="say what is left and leave")
    options.add_ways(parser)
    options.add_settings(parser)
    arguments = parser.parse_args()
    from kerasqueeze.study import experiments, schedule

    names = arguments.exp.split(",") if arguments.exp else experiments.DEFAULT
    changes = options.settings(arguments)
    without = {key: value for key, value in changes.items() if key != "weights"}
    chosen = [experiments.get(name) for name in names]
    chosen = [one.override(**(without if one.weights == "none" else changes)) for one in chosen]
    study = schedule.runs(chosen, arguments.seeds)
    if arguments.dry_run:
        print(schedule.outlook(study, arguments.out))
        return

    from kerasqueeze.models.fast.switch import set_lowering
    from kerasqueeze.training import runner

    set_lowering(arguments.lowering)

    def train(experiment, seed):
        runner.run(experiment, [seed], data_dir=arguments.data_dir, out=arguments.out, feed=arguments.feed)
        from kerasqueeze.study.figures import experiment as figures  # after training: it imports matplotlib

        figures.draw(arguments.out, experiment.name)

    schedule.carry_out(study, arguments.out, train, lambda line: print(line, file=sys.stderr))

    from kerasqueeze.study import summary

    print(summary.markdown(summary.write_summary(arguments.out)))


if __name__ == "__main__":
    options.command(main)
