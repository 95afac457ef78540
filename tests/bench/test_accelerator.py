import subprocess
import sys

import pandas as pd
import pytest

from kerasqueeze.bench import accelerator
from kerasqueeze.bench.accelerator import Cell


def test_what_is_wanted_most_comes_first_and_variants_once():
    found = accelerator.cells([128, 32], ["ours-plain", "torch", "ours-bare", "ours-study"], ["float32"])
    assert found[0] == Cell("ours-plain", "float32", "device", 128)
    assert [cell.batch for cell in found if cell.contestant == "ours-bare"] == [128]
    assert [(cell.feed, cell.batch) for cell in found if cell.contestant == "ours-study"] == [
        ("device", 128),
        ("host", 128),
        ("device", 32),
    ]


@pytest.mark.parametrize(
    ("contestant", "expected"),
    [("ours-plain-slices", "ours float32"), ("ours-plain-nhwc", "ours-nhwc float32"), ("torch", "torch float32")],
)
def test_only_what_needs_other_flags_has_another_process(contestant, expected):
    assert Cell(contestant, "float32", "device", 8).worker == expected


@pytest.mark.slow
def test_numbers_are_written_and_who_fails_is_named(tmp_path):
    options = ["--seconds", "300", "--each", "200", "--burst", "0.01", "--rounds", "1", "--batches", "2"]
    options += [
        "--photos",
        "16",
        "--size",
        "32",
        "--precisions",
        "float32",
        "--contestants",
        "ours-plain,ours-nonsense",
    ]
    command = [sys.executable, "-m", "kerasqueeze.bench.accelerator", *options, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "accelerator.csv")
    assert tuple(rows.columns) == accelerator.COLUMNS
    assert list(rows["contestant"]) == ["ours-plain"] and rows["images_per_second"][0] > 0
    assert "ours-nonsense" in done.stdout and "left out" in done.stdout
    assert not (tmp_path / "photos.npy").exists()
