"""Find a learning rate: one short training along a rising rate, with its picture and a suggestion.

    python scripts/lr_find.py --exp digits_scratch_adam

The same as `kerasqueeze lr-find`, which --help explains.
"""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("lr-find")
