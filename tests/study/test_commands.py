"""`compare.py` and `report.py` as a user types them, on files that nothing was trained for."""

import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import make, study

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPTS / f"{name}.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    study(folder)
    return folder


def test_compare_pairs_where_it_can(out):
    done = script("compare", "fine_tuning_adam", "fine_tuning_amsgrad", "--paired", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "paired t over 3 seeds" in done.stdout
    assert "McNemar's exact test" in done.stdout
    assert "| +0." in done.stdout  # the control's column, though the control was not named


def test_compare_refuses_to_call_others_paired(out):
    done = script("compare", "fine_tuning_adam", "scratch_adam", "--paired", "--out", out)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "fine_tuning_adam and scratch_adam are not paired: initial weights differ (seed 0)" in done.stderr


def test_report_writes_both_files_and_refuses_in_one_line(out, tmp_path):
    done = script("report", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(out / "REPORT.md"), str(out / "REPORT.html")]
    make(tmp_path, "old", [0], code=None)
    done = script("report", "--out", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: no report from files that are partial, stale")
