"""Train experiments over a grid of learning rates at equal budgets, by validation alone: the test photos stay unseen.

    python scripts/sweep.py --exp digits_scratch_adam,digits_scratch_amsgrad --epochs 5
    python scripts/sweep.py --exp fine_tuning_adam,fine_tuning_amsgrad --learning-rates 1e-4,3e-4,1e-3 --data-dir DIR

The same as `kerasqueeze sweep`, which --help explains.
"""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("sweep")
