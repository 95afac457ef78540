"""The benchmark's orchestration, with workers that only pretend."""

import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from kerasqueeze.bench import cost, speed, startup_time, tables, whole_study, worker_process
from kerasqueeze.errors import UserError
from kerasqueeze.study.report.chapters import speed as speed_chapter

ROOT = Path(__file__).parents[2]
FAKE = """
import json, os, sys
log, name, speed, size, batch = sys.argv[1:]
tasks = {"training": {"compile_seconds": 1, "peak_mb": 9}, "inference": {"compile_seconds": 2, "peak_mb": 8}}
if name == "onnxruntime":
    del tasks["training"]
if name == "absent":
    print(json.dumps({"missing": "absent"}), flush=True)
    sys.exit()
print(json.dumps({"ready": {"tasks": tasks, "versions": {name: "1"}, "huge_pages_mb": 3}}), flush=True)
count = 0
for line in sys.stdin:
    with open(log, "a") as file:
        file.write(f"{name} {line.split()[0]} {batch} {os.getpid()}\\n")
    count += 1
    if name == "dying" and count == 2:
        sys.exit("out of luck")
    print(json.dumps({"images_per_second": float(speed) * count, "peak_mb": 10}), flush=True)
"""


@pytest.fixture
def fakes(tmp_path):
    def make(**speeds: float) -> dict[str, list[str]]:
        log = str(tmp_path / "log")
        return {name: [sys.executable, "-S", "-c", FAKE, log, name, str(speed)] for name, speed in speeds.items()}

    return make


def measure(starts, sizes=(64,), batches=(8,), rounds=3, **options):
    return speed.run(starts, sizes, batches, rounds, huge_pages=True, say=lambda line: None, **options)


def test_medians_extremes_and_ratios_by_round():
    ours, theirs = [30.0, 10.0, 50.0], [10.0, 10.0, 10.0]
    assert speed.summary(ours) == {"median": 30, "min": 10, "max": 50}
    assert speed.ratio(ours, theirs) == 3
    # a round in which all are slow changes no ratio
    assert speed.ratio([30, 3, 30], [10, 1, 10]) == 3
    assert speed.ratio(None, theirs) is None
    assert speed.ratio(ours, [20.0, 1.0, 10.0]) == statistics.median([1.5, 10, 5])


def test_rows_have_the_schema_and_the_csv_reads_back(fakes, tmp_path):
    kept = []
    starts = fakes(kerasqueeze=10, torch=4, onnxruntime=5)
    outcome = measure(starts, batches=(8, 16), finished=lambda outcome: kept.append(len(outcome.rows)))
    assert kept == [5, 10]  # after each combination; onnxruntime does not train
    table = outcome.table()
    assert tuple(table.columns) == speed.COLUMNS
    speed.write(table, speed.csv_path(tmp_path))
    pd.testing.assert_frame_equal(pd.read_csv(speed.csv_path(tmp_path)), table, check_dtype=False)
    row = table[(table["contestant"] == "torch") & (table["task"] == "training") & (table["batch"] == 16)].iloc[0]
    assert (row["median"], row["min"], row["max"], row["ratio"], row["rounds"]) == (8, 4, 12, 2.5, 3)
    assert (row["compile_seconds"], row["huge_pages"], row["versions"]) == (1, "on", "torch 1")
    peaks = dict(zip(table["task"], table["peak_mb"], strict=True))
    assert peaks == {"training": 10, "inference": 8}


def test_one_works_at_a_time_and_each_round_begins_with_the_next(fakes, tmp_path):
    measure(fakes(kerasqueeze=3, keras=2, torch=1))
    lines = [line.split()[:2] for line in (tmp_path / "log").read_text().splitlines()]
    a, b, c = "kerasqueeze", "keras", "torch"
    assert [name for name, task in lines if task == "training"] == [a, b, c, b, c, a, c, a, b]
    assert [task for _, task in lines] == ["training"] * 9 + ["inference"] * 9


def test_one_that_dies_is_named_and_the_others_stay(fakes, tmp_path):
    outcome = measure(fakes(kerasqueeze=3, dying=2, torch=1, absent=1), batches=(8, 16))
    assert outcome.table()["contestant"].unique().tolist() == ["kerasqueeze", "torch"]
    assert outcome.table()["rounds"].tolist() == [3] * 8
    assert list(outcome.failed) == ["dying at 64 px, batch 8", "dying at 64 px, batch 16"]
    assert "code 1: out of luck" in outcome.failed["dying at 64 px, batch 8"]
    assert list(outcome.skipped) == ["absent"]
    said = tables.markdown(outcome)
    assert "dying at 64 px, batch 8 failed: ended with code 1: out of luck" in said
    assert "absent left out: absent is not installed" in said
    for pid in {int(line.split()[3]) for line in (tmp_path / "log").read_text().splitlines()}:
        assert not Path(f"/proc/{pid}").exists()


def test_without_ours_there_are_speeds_but_no_ratios(fakes):
    outcome = measure(fakes(torch=1) | {"kerasqueeze": ["/nowhere/python"]})
    assert outcome.failed["kerasqueeze at 64 px, batch 8"].startswith("/nowhere/python does not start")
    assert outcome.table()["ratio"].isna().all()
    assert "×" not in tables.markdown(outcome).splitlines()[2]


def test_workers_end_when_the_asking_side_is_interrupted(fakes, tmp_path):
    def interrupt(line: str) -> None:
        if "images/s" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speed.run(fakes(kerasqueeze=1, torch=1), [64], [8], 1, huge_pages=False, say=interrupt)
    for pid in {line.split()[3] for line in (tmp_path / "log").read_text().splitlines()}:
        assert not Path(f"/proc/{pid}").exists()


def test_a_silent_worker_is_given_up(monkeypatch):
    monkeypatch.setattr(worker_process, "PATIENCE", 0.1)
    with (
        worker_process.Worker([sys.executable, "-S", "-c", "input()"]) as worker,
        pytest.raises(worker_process.Failed, match="no answer"),
    ):
        worker.read()


def test_table_and_picture(fakes, tmp_path):
    outcome = measure(fakes(kerasqueeze=10, torch=4, onnxruntime=5), sizes=(128, 64))
    lines = tables.markdown(outcome).splitlines()
    assert lines[0] == "| task | px | batch | kerasqueeze | torch | onnxruntime |"
    assert lines[2] == "| training | 128 | 8 | 20.0 (10.0–30.0) | 8.0 (4.0–12.0) ×2.50 | – |"
    assert "huge pages on for all contestants" in "\n".join(lines)
    with Image.open(tables.draw(outcome.table(), tmp_path)) as picture:
        picture.verify()


def test_the_servers_side_answers_and_ends_with_its_input():
    code = (
        "import runpy; serve = runpy.run_path('kerasqueeze/bench/protocol.py')['serve']; "
        "serve(lambda: (print('noise') or {'versions': {}}, {'training': lambda: lambda: None}), 8)"
    )
    with worker_process.Worker([sys.executable, "-c", f"import os; os.chdir({str(ROOT)!r}); {code}"]) as worker:
        told = worker.read()["ready"]
        assert told["tasks"]["training"].keys() == {"compile_seconds", "peak_mb"}
        assert worker.ask("training 0.01")["images_per_second"] > 0
        with pytest.raises(worker_process.Failed, match="KeyError: 'inference'"):
            worker.ask("inference 0.01")


def test_costs_are_kept_one_by_one_and_fitted(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "IMPORT", "print('{\"seconds\": 2.0}')")
    finding = '{{"measure": "epoch_by_photos", "value": {}, "unit": "s", "size": 64, "batch": 8, "photos": {}}}'
    points = [(8, 1.0), (16, 2.5), (32, 4.0)]
    lines = [f"print('{{\"finding\": ' + '{finding.format(y, x)}' + '}}')" for x, y in points]
    code = "import sys; " + "; ".join(lines) + "; sys.exit('oh')"
    failed: dict[str, str] = {}
    worker = [sys.executable, "-S", "-c", code]
    costs = cost.run(tmp_path, quick=True, failed=failed, worker=worker, say=lambda line: None)
    assert failed == {"cost of fit": "ended with code 1: oh"}
    assert costs["measure"].tolist() == ["import", *["epoch_by_photos"] * 3, "r2_photos"]
    assert costs["value"].iloc[-1] == pytest.approx(stats.linregress(*np.transpose(points)).rvalue ** 2)
    assert pd.read_csv(cost.csv_path(tmp_path))["measure"].tolist() == costs["measure"].tolist()
    assert "| import | 2 s |  |  |  | import kerasqueeze" in speed_chapter.costs(costs)


def test_the_whole_study_is_timed_in_both_forms_on_the_same_photos(tmp_path):
    script, log, found = tmp_path / "run.py", tmp_path / "log", []
    script.write_text(
        "import pathlib, sys, time\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--data-dir') + 1])\n"
        "time.sleep(0.5 if sys.argv[-1] == 'stock' else 0)\n"
        f"with open({str(log)!r}, 'a') as file:\n"
        "    print(sys.argv[-1], len(list(folder.glob('*/*/*.jpg'))), file=file)\n"
    )
    whole_study.run([sys.executable, str(script)], found.append, {"train": 2, "val": 1, "test": 1})
    assert log.read_text().split() == ["0", "48", "stock", "48", "fast", "48"]
    stock, fast, ratio = (one["value"] for one in found)
    assert stock > 0.5 and ratio == pytest.approx(stock / fast)
    assert found[0].keys() == set(cost.COLUMNS) and found[0]["photos"] == 24
    table = speed_chapter.costs(pd.DataFrame(found, columns=list(cost.COLUMNS)))
    assert "|  |  | 24 | scratch_adam, fine_tuning_adam, fine_tuning_amsgrad from prompt" in table
    script.write_text("import sys; sys.exit('oh')")
    with pytest.raises(worker_process.Failed, match=r"run\.py ended with code 1: oh"):
        whole_study.run([sys.executable, str(script)], found.append, {"train": 1, "val": 1, "test": 1})


def test_the_first_step_is_timed_from_the_start_of_the_process_to_the_line_that_tells_of_it(tmp_path):
    script, log, found = tmp_path / "run.py", tmp_path / "log", []
    script.write_text(
        "import os, pathlib, sys, time\n"
        "value = lambda name: sys.argv[sys.argv.index(name) + 1]\n"
        "seen = pathlib.Path(os.environ['KERASQUEEZE_CACHE'], 'seen')\n"
        "time.sleep(0.1 if seen.exists() else 0.6)\n"
        "seen.parent.mkdir(exist_ok=True)\n"
        "seen.touch()\n"
        f"with open({str(log)!r}, 'a') as file:\n"
        "    photos = list(pathlib.Path(value('--data-dir')).glob('train/*/*.jpg'))\n"
        "    print(len(photos), value('--image-size'), value('--batch-size'), value('--out'), file=file)\n"
        "print('decoding\\nx seed 0  first step after 0.0 s', file=sys.stderr, flush=True)\n"
        "time.sleep(60)\n"
    )
    startup_time.run([sys.executable, str(script)], found.append, size=64, batch=20, repeats=2)
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [line[:3] for line in lines] == [["408", "64", "20"]] * 3 and len({line[3] for line in lines}) == 3
    assert [one["measure"] for one in found] == ["first_run", "second_run"]
    assert found[0].keys() == set(cost.COLUMNS)
    assert 10 > found[0]["value"] > 0.6 > found[1]["value"] > 0.1
    script.write_text("import sys; sys.exit('oh')")
    with pytest.raises(worker_process.Failed, match=r"run\.py took no step: oh"):
        startup_time.run([sys.executable, str(script)], found.append, 64, 20, 1)


@pytest.mark.parametrize("text", ["", "a", "31", "64,64", "64,-1"])
def test_bad_numbers(text):
    with pytest.raises(UserError, match=r"--sizes .* whole numbers from 32 to 1024"):
        speed.numbers(text, 32, 1024, "--sizes")


def test_nothing_to_measure_gets_one_line_and_exit_code_2(tmp_path):
    command = [sys.executable, ROOT / "scripts" / "bench.py", "--no-speed", "--no-cost", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "leave nothing to measure" in done.stderr


def test_unknown_contestant_gets_one_line_and_exit_code_2(tmp_path):
    command = [sys.executable, ROOT / "scripts" / "bench.py", "--against", "torch,caffe", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: unknown contestant 'caffe'; choose from: keras, onnxruntime, torch\n"
    assert list(tmp_path.iterdir()) == []
