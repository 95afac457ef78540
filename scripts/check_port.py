"""Prove that ported weights predict what torchvision predicts.

    python scripts/check_port.py --weights squeezenet1_1-b8a52dc0.pth --photos ~/photos

The same as `kerasqueeze check-port`, which --help explains.
"""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("check-port")
