"""Draw two experiments side by side and say what their results tell.

    python scripts/compare.py fine_tuning_adam fine_tuning_amsgrad

The same as `kerasqueeze compare`, which --help explains.
"""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("compare")
