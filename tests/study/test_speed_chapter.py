"""The report's chapter on speed, against the files it is made of."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from synthetic import make

from kerasqueeze.errors import UserError
from kerasqueeze.study import report
from kerasqueeze.study.report.chapters import speed

ROOT = Path(__file__).resolve().parents[2]


def test_it_says_what_the_files_hold(tmp_path):
    (tmp_path / "CSV").mkdir()
    assert speed.section(tmp_path) == ""
    for name in ("bench.csv", "bench_cost.csv", "bench_gpu.csv"):
        shutil.copy(ROOT / "CSV" / name, tmp_path / "CSV")
    text = speed.section(tmp_path)
    found = pd.read_csv(tmp_path / "CSV" / "bench.csv")
    rows = [line for line in text.splitlines() if line.startswith(("| training", "| inference"))]
    tasks = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert tasks == sorted(tasks, reverse=True)
    assert len(rows) == len(found.drop_duplicates(["task", "size", "batch"]))
    for row in found.to_dict("records"):
        line = next(line for line in rows if line.startswith(f"| {row['task']} | {row['size']} | {row['batch']} |"))
        assert f" {row['median']:.1f} ({row['min']:.1f}–{row['max']:.1f})" in line
    ratios = found[found["task"].eq("training") & found["contestant"].eq("keras")]["ratio"]
    assert f"against keras: {min(ratios):.2f} to {max(ratios):.2f} times as fast" in text
    assert f"is reached in {sum(ratio >= 3 for ratio in ratios)} of {len(ratios)} sizes" in text
    gpu = pd.read_csv(tmp_path / "CSV" / "bench_gpu.csv")
    plain = gpu[gpu["contestant"].eq("ours-plain") & gpu["precision"].eq("float32")]["images_per_second"]
    assert f"| ours-plain | float32 | device | 128 | {plain.median():,.0f} (" in text
    assert "| import | 2.112 s |" in text


def test_it_is_a_chapter_of_the_report_with_an_anchor_that_the_readme_links(tmp_path):
    make(tmp_path, "a", [0])
    shutil.copy(ROOT / "CSV" / "bench.csv", tmp_path / "CSV")
    assert "\n## Speed\n" in report.compose(report.gather(tmp_path))
    assert "REPORT.md#speed" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_table_of_something_else_ends_in_one_line(tmp_path):
    (tmp_path / "CSV").mkdir()
    (tmp_path / "CSV" / "bench.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"bench\.csv has no column contestant"):
        speed.section(tmp_path)
