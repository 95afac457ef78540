"""See kerasqueeze/commands/predict.py: the same as `kerasqueeze predict`, which --help explains."""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("predict")
