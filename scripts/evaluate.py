"""See kerasqueeze/commands/evaluate.py: the same as `kerasqueeze evaluate`, which --help explains."""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("evaluate")
