"""Find a learning rate: one short training along a rising rate, with its picture and a suggestion.

    kerasqueeze lr-find --exp digits_scratch_adam
    kerasqueeze lr-find --exp fine_tuning_adam --optimizer momentum --data-dir DIR --steps 300

Writes CSV/NAME_lr_find.csv and PNG/NAME_lr_find.png below --out and prints the suggestion: the rate at which the loss
falls fastest. It is a peak rate to begin a sweep with, not the best one; validation decides that (`sweep`).
"""

import argparse

from kerasqueeze import progress
from kerasqueeze.commands import options
from kerasqueeze.startup.command import begin


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    options.add_experiments(parser, "experiments to test", required=True)
    parser.add_argument("--from", dest="low", type=float, default=1e-7, metavar="X", help="lowest (default: 1e-7)")
    parser.add_argument("--to", dest="high", type=float, default=1.0, metavar="X", help="highest (default: 1)")
    parser.add_argument("--steps", type=int, default=150, metavar="N", help="steps between them (default: 150)")
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N", help="of weights and batches (default: 0)")
    options.add_data_dir(parser)
    options.add_out(parser)
    options.add_training(parser)
    options.add_settings(parser, leave_out=("learning_rate",))
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Test, write, draw, print."""
    from kerasqueeze.study import experiments

    changes = options.settings(arguments)
    chosen = [experiments.get(name).override(**changes) for name in arguments.exp]
    options.check_out(arguments.out, "CSV", "PNG")
    progress.set_quiet(arguments.quiet)
    begin()

    from kerasqueeze.files import write_text
    from kerasqueeze.models.fast.switch import set_lowering
    from kerasqueeze.study.figures import range_test
    from kerasqueeze.training import lr_range, runner

    set_lowering(arguments.lowering)
    for experiment in chosen:
        data = runner.load_photos(experiment, arguments.data_dir)
        found = lr_range.run(
            experiment, data, arguments.seed, low=arguments.low, high=arguments.high, steps=arguments.steps
        )
        lines = [",".join(lr_range.COLUMNS), *(",".join(f"{value:.7g}" for value in row) for row in found.rows)]
        write_text(arguments.out / "CSV" / f"{experiment.name}_lr_find.csv", "\n".join(lines) + "\n")
        picture = range_test.path(arguments.out, experiment.name)
        title = f"{experiment.name}: {experiment.optimizer}, batch {experiment.batch_size}, seed {arguments.seed}"
        range_test.draw(found.rows, found.suggested, found.lowest, title, picture)
        if found.suggested is None:
            print(f"{experiment.name}: the loss did not fall anywhere in {len(found.rows)} steps; no rate is suggested")
        else:
            print(
                f"{experiment.name}: try --learning-rate {found.suggested:.2g}, where the loss falls fastest; it is "
                f"lowest at {found.lowest:.2g} and breaks beyond"
            )
        print(f"Picture: {picture}")
