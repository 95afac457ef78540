"""Train named experiments and write their CSV, JSON and PNG files and the results table.

    python scripts/run.py                   # both digits experiments, offline
    python scripts/run.py --list
    python scripts/run.py --exp fine_tuning_adam,fine_tuning_amsgrad --data-dir ~/stanford_dogs --seeds 0,1,2

Options change the experiment's own settings. A seed that is finished is not run again; results of other settings are
not overwritten (use --out or --fresh).
"""

from pathlib import Path

__command__ = True  # see kerasqueeze/__init__.py

from kerasqueeze.commands import options


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    parser.add_argument("--exp", metavar="NAME[,NAME…]", help="experiments to run (default: the two on digits)")
    parser.add_argument("--list", action="store_true", help="show the experiments with their settings and leave")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the photos are")
    parser.add_argument(
        "--seeds", type=options.seeds, default=[0], metavar="0,1,2", help="one run for each (default: 0)"
    )
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where CSV/ and PNG/ lie (default: .)")
    parser.add_argument("--fresh", action="store_true", help="drop earlier results of these experiments and start over")
    parser.add_argument("--skip-broken", action="store_true", help="leave out photos that cannot be read, by name")
    options.add_ways(parser)
    options.add_settings(parser)
    return parser


def main() -> None:
    """Parse, run, draw, print."""
    arguments = parser().parse_args()
    from kerasqueeze.study import experiments

    if arguments.list:
        print(experiments.listing())
        return
    changes = options.settings(arguments)
    names = arguments.exp.split(",") if arguments.exp else experiments.DEFAULT
    chosen = [experiments.get(name).override(**changes) for name in names]

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


if __name__ == "__main__":
    options.command(main)
