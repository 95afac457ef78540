"""Say what of a network learns, and what the optimizer does to every layer in its first steps.

    kerasqueeze inspect --exp digits_scratch_adam
    kerasqueeze inspect --exp fine_tuning_adam --freeze backbone --data-dir DIR

Takes real steps (--steps), and prints a table: every layer with its parameters, whether they train, how far the first
step moved them, and how the last step spreads over single weights; layers without parameters with the reason.
"""

import argparse

from kerasqueeze import progress
from kerasqueeze.commands import options
from kerasqueeze.errors import UserError
from kerasqueeze.startup.command import begin


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    options.add_experiments(parser, "experiment to inspect", required=True)
    parser.add_argument("--steps", type=int, default=10, metavar="N", help="real steps, 1 to 1000 (default: 10)")
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N", help="of weights and batches (default: 0)")
    options.add_data_dir(parser)
    options.add_training(parser)
    options.add_settings(parser)
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Look, print."""
    from kerasqueeze.study import experiments

    changes = options.settings(arguments)
    chosen = [experiments.get(name).override(**changes) for name in arguments.exp]
    if not 1 <= arguments.steps <= 1000:
        raise UserError(f"--steps {arguments.steps} is out of range; expected 1 to 1000")
    progress.set_quiet(arguments.quiet)
    begin()

    from kerasqueeze.models.fast.switch import set_lowering
    from kerasqueeze.study import quiz
    from kerasqueeze.training import inspection, runner

    set_lowering(arguments.lowering)
    for experiment in chosen:
        found = inspection.run(
            experiment, runner.load_photos(experiment, arguments.data_dir), arguments.seed, arguments.steps
        )
        print(f"# {experiment.name}\n", quiz.table(found), "", sep="\n")
        print(quiz.answers(found, inspection.against_sgd()))
