"""Write REPORT.md, and the same as one self-contained REPORT.html, from what the experiments left behind.

    python scripts/report.py
    python scripts/report.py --out results --exp digits_scratch_adam,digits_scratch_amsgrad

The same as `kerasqueeze report`, which --help explains.
"""

__command__ = True  # see kerasqueeze/startup/command.py

from kerasqueeze.commands import main

if __name__ == "__main__":
    main.script("report")
