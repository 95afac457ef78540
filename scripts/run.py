"""Train named experiments and write their CSV, JSON and PNG files and the results table.

    python scripts/run.py                   # both digits experiments, offline
    python scripts/run.py --list
    python scripts/run.py --exp fine_tuning_adam,fine_tuning_amsgrad --data-dir ~/stanford_dogs --seeds 0,1,2

The same as `kerasqueeze run`, which --help explains.
"""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("run")
