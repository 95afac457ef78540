"""Serve a trained network as a web site.

    python scripts/serve.py --model models/fine_tuning_adam_seed0.keras

The same as `kerasqueeze serve`, which --help explains.
"""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("serve")
