"""Run a whole study, experiments times seeds, as far as it is not finished; stop it and start it again at will.

    python scripts/study.py --exp zero_training,fine_tuning_adam,fine_tuning_amsgrad --seeds 0,1,2 --data-dir DIR
    python scripts/study.py --exp digits_scratch_adam,digits_scratch_amsgrad --seeds 0,1,2 --dry-run

The same as `kerasqueeze study`, which --help explains.
"""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("study")
