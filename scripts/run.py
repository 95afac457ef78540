"""Train named experiments and write their CSV, JSON and PNG files and the results table.

    python scripts/run.py                   # both digits experiments, offline
    python scripts/run.py --list
    python scripts/run.py --exp fine_tuning_adam,fine_tuning_amsgrad --data-dir ~/stanford_dogs --seeds 0,1,2

Options change the experiment's own settings. A seed that is finished is not run again; results of other settings are
not overwritten (use --out or --fresh).
"""

from pathlib import Path

__huge_pages__ = True  # see kerasqueeze/hugepages.py

from kerasqueeze import cli

OVERRIDES = {
    "dataset": str,
    "model": str,
    "weights": str,
    "optimizer": str,
    "amsgrad_form": str,
    "learning_rate": float,
    "weight_decay": float,
    "label_smoothing": float,
    "head": str,
    "dropout": float,
    "crop_area": float,
    "warmup_steps": int,
    "clip_norm": float,
    "epochs": int,
    "batch_size": int,
    "image_size": int,
    "patience": int,
    "limit": int,
}


def parser() -> cli.Parser:
    """Return the command's options."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--exp", metavar="NAME[,NAME…]", help="experiments to run (default: the two on digits)")
    parser.add_argument("--list", action="store_true", help="show the experiments with their settings and leave")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the photos are")
    parser.add_argument("--seeds", type=cli.seeds, default=[0], metavar="0,1,2", help="one run for each (default: 0)")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where CSV/ and PNG/ lie (default: .)")
    parser.add_argument("--fresh", action="store_true", help="drop earlier results of these experiments and start over")
    parser.add_argument("--skip-broken", action="store_true", help="leave out photos that cannot be read, by name")
    parser.add_argument(
        "--lowering", default="auto", help="how networks are computed: auto, fast, stock (default: auto)"
    )
    parser.add_argument(
        "--feed",
        choices=("auto", "host", "device"),
        default="auto",
        help="where the photos are kept while training (auto: on the device if it is an accelerator and they fit)",
    )
    settings = parser.add_argument_group("settings of the experiment")
    notes = {
        "weights": "none, imagenet, or a .pth, .weights.h5 or .keras file",
        "limit": "most training photos a class",
    }
    for key, kind in OVERRIDES.items():
        settings.add_argument(f"--{key.replace('_', '-')}", type=kind, help=notes.get(key))
    return parser


def main() -> None:
    """Parse, run, draw, print."""
    arguments = parser().parse_args()
    from kerasqueeze.study import experiments

    if arguments.list:
        print(experiments.listing())
        return
    changes = {key: getattr(arguments, key) for key in OVERRIDES if getattr(arguments, key) is not None}
    names = arguments.exp.split(",") if arguments.exp else experiments.DEFAULT
    chosen = [experiments.get(name).override(**changes) for name in names]

    from kerasqueeze import history
    from kerasqueeze.models.switch import set_lowering
    from kerasqueeze.study import layer_plots, plots, results, summary
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
        plots.draw([results.read(arguments.out, experiment.name)], plots.single_path(arguments.out, experiment.name))
        if history.layers_path(arguments.out, experiment.name).exists():  # nothing was trained, or by an older version
            layer_plots.draw(arguments.out, experiment.name)
    print(summary.markdown(summary.write_summary(arguments.out)))


if __name__ == "__main__":
    cli.command(main)
