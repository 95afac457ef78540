"""Measure speed against stock Keras, torch and onnxruntime, in turns within one run, and what `fit` costs.

    python scripts/bench.py                                # about half an hour on two cores; leave the machine alone
    python scripts/bench.py --quick                        # 224 px, batch 32: about three
    python scripts/bench.py --peer-python ~/torch/bin/python

The same as `kerasqueeze bench`, which --help explains.
"""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("bench")
