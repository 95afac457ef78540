"""Measure speed against stock Keras, torch and onnxruntime, in turns within one run, and what `fit` costs.

    kerasqueeze bench                                # about half an hour on two cores; leave the machine alone
    kerasqueeze bench --quick                        # 224 px, batch 32: about three
    kerasqueeze bench --peer-python ~/torch/bin/python

SqueezeNet 1.1, 120 classes, float32: images/s in training and inference. Peers that are not installed are left out.
Writes CSV/bench.csv, CSV/bench_cost.csv and PNG/bench.png below --out after each finished part, and prints tables.
"""

import argparse
import os
import sys

from kerasqueeze.commands import options
from kerasqueeze.errors import UserError
from kerasqueeze.startup import hugepages
from kerasqueeze.startup.command import begin

RUN = (sys.executable, "-m", "kerasqueeze", "run")
"""How a process that runs experiments is started."""


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    parser.add_argument(
        "--against",
        type=options.names,
        default="keras,torch,onnxruntime",
        metavar="NAME[,NAME...]",
        help="the others (default: keras,torch,onnxruntime, which are all)",
    )
    parser.add_argument("--rounds", metavar="N", help="bursts of each, 1 to 1000 (default: 5, with --quick 3)")
    parser.add_argument(
        "--sizes", metavar="N[,N...]", help="sides of the images, 32 to 1024 pixels (default: 224,128; quick 224)"
    )
    parser.add_argument("--batches", metavar="N[,N...]", help="images a step, 1 to 4096 (default: 8,32,64; quick 32)")
    parser.add_argument("--quick", action="store_true", help="224 px, batch 32, few rounds")
    parser.add_argument(
        "--peer-python",
        default=sys.executable,
        metavar="PATH",
        help="Python that has torch, onnxruntime and onnx (default: this one)",
    )
    parser.add_argument("--no-speed", action="store_true", help="leave out images/s and the picture")
    parser.add_argument("--no-cost", action="store_true", help="leave out what fit, data, start-up and a study cost")
    options.add_out(parser)
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Measure, write, print."""
    if arguments.no_speed and arguments.no_cost:
        raise UserError("--no-speed and --no-cost together leave nothing to measure; give one of them at most")
    options.check_out(arguments.out, "CSV", "PNG")
    begin()

    from kerasqueeze.bench import cost, speed, tables
    from kerasqueeze.study.report.chapters import speed as speed_chapter

    quick = arguments.quick
    starts = speed.commands(arguments.against, arguments.peer_python)
    sizes = speed.numbers(arguments.sizes or ("224" if quick else "224,128"), 32, 1024, "--sizes")
    batches = speed.numbers(arguments.batches or ("32" if quick else "8,32,64"), 1, 4096, "--batches")
    rounds = speed.numbers(arguments.rounds or ("3" if quick else "5"), 1, 1000, "--rounds")[0]
    switched_off = "glibc.malloc.hugetlb=0" in os.environ.get("GLIBC_TUNABLES", "")
    huge_pages = not switched_off and hugepages.reason is None  # the workers have this process' environment

    def keep(outcome: speed.Outcome) -> None:
        speed.write(outcome.table(), speed.csv_path(arguments.out))
        if outcome.rows:
            tables.draw(outcome.table(), arguments.out)

    with speed.terminated_as_interrupted():
        outcome = speed.Outcome()
        if not arguments.no_speed:
            outcome = speed.run(starts, sizes, batches, rounds, huge_pages=huge_pages, finished=keep)
            print(tables.markdown(outcome))
        if not arguments.no_cost:
            costs = cost.run(arguments.out, quick=quick, failed=outcome.failed, start=RUN)
            print(f"\n{speed_chapter.costs(costs)}")
    for name, reason in outcome.failed.items():
        print(f"{name} failed: {reason}", file=sys.stderr)
    if outcome.failed:
        sys.exit(1)
