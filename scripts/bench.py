"""Measure speed against stock Keras, torch and onnxruntime, in turns within one run, and what `fit` costs.

    python scripts/bench.py                                # about half an hour on two cores; leave the machine alone
    python scripts/bench.py --quick                        # 224 px, batch 32: about three
    python scripts/bench.py --peer-python ~/torch/bin/python

SqueezeNet 1.1, 120 classes, float32: images/s in training and inference. Peers that are not installed are left out.
Writes CSV/bench.csv, CSV/bench_cost.csv and PNG/bench.png below --out after each finished part, and prints tables.
"""

import os
import sys
from pathlib import Path

__command__ = True  # see kerasqueeze/__init__.py

from kerasqueeze.commands import options


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    parser.add_argument("--against", default="keras,torch,onnxruntime", metavar="NAME[,NAME…]", help="(default: all)")
    parser.add_argument("--rounds", metavar="N", help="bursts of each (default: 5, with --quick 3)")
    parser.add_argument("--sizes", metavar="224,128", help="sides of the images in pixels (default: 224,128)")
    parser.add_argument("--batches", metavar="8,32,64", help="images a step (default: 8,32,64)")
    parser.add_argument("--quick", action="store_true", help="224 px, batch 32, few rounds")
    parser.add_argument("--peer-python", default=sys.executable, metavar="PATH", help="has torch, onnxruntime, onnx")
    parser.add_argument("--no-speed", action="store_true", help="leave out images/s and the picture")
    parser.add_argument("--no-cost", action="store_true", help="leave out what fit, data, start-up and a study cost")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where CSV/ and PNG/ lie (default: .)")
    return parser


def main() -> None:
    """Parse, measure, write, print."""
    arguments = parser().parse_args()
    from kerasqueeze.bench import cost, speed, tables
    from kerasqueeze.errors import UserError
    from kerasqueeze.startup import hugepages

    if arguments.no_speed and arguments.no_cost:
        raise UserError("--no-speed and --no-cost together leave nothing to measure; give one of them at most")
    quick = arguments.quick
    starts = speed.commands(arguments.against.split(","), arguments.peer_python)
    sizes = speed.numbers(arguments.sizes or ("224" if quick else "224,128"), 32, 1024, "--sizes")
    batches = speed.numbers(arguments.batches or ("32" if quick else "8,32,64"), 1, 4096, "--batches")
    rounds = speed.numbers(arguments.rounds or ("3" if quick else "5"), 1, 1000, "--rounds")[0]
    switched_off = "glibc.malloc.hugetlb=0" in os.environ.get("GLIBC_TUNABLES", "")
    huge_pages = not switched_off and hugepages.ensure() is None  # the workers have this process' environment

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
            script = Path(__file__).with_name("run.py")
            costs = cost.run(arguments.out, quick=quick, failed=outcome.failed, script=script)
            print(f"\n{tables.cost_markdown(costs)}")
    for name, reason in outcome.failed.items():
        print(f"{name} failed: {reason}", file=sys.stderr)
    if outcome.failed:
        sys.exit(1)


if __name__ == "__main__":
    options.command(main)
