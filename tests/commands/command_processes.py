"""How the tests here call a command in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def process(*command: object, shell: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, or, if given, with `shell` behind them as a shell would read it."""
    words = [sys.executable, *map(str, command)]
    if shell:
        words = ["bash", "-c", f'"$@" {shell}', "bash", *words]
    return subprocess.run(words, text=True, **{"capture_output": True, "timeout": 120, **options})  # type: ignore
