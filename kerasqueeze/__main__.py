"""`python -m kerasqueeze`."""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands.main import main

if __name__ == "__main__":
    main()
