"""Rows that were changed after their run are noticed, and a file that was only saved anew is not."""

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import results

EARLIER = Path(__file__).parent / "references" / "earlier"
NAMES = {
    "history": "tiny_amsgrad.csv",
    "layers": "tiny_amsgrad_layers.csv",
    "predictions": "tiny_amsgrad_predictions.csv",
}


@pytest.fixture
def out(tmp_path):
    """Return a folder with two seeds and the hashes of their rows."""
    shutil.copytree(EARLIER / "CSV", tmp_path / "CSV")
    for name in NAMES.values():
        path = tmp_path / "CSV" / name
        frame = pd.read_csv(path)
        pd.concat([frame, frame.assign(seed=1)]).to_csv(path, index=False)
    path = history.json_path(tmp_path, "tiny_amsgrad")
    record = history.read_json(path)
    record["runs"]["1"] = dict(record["runs"]["0"])
    for seed, rows in history.hash_rows(tmp_path, "tiny_amsgrad", [0, 1]).items():
        record["runs"][str(seed)]["rows"] = rows
    history.write_json(path, record)
    return tmp_path


def edit(path, change):
    """Change the cells of a CSV file, rows of text under a head, as an editor would."""
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    change(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])  # with \r\n


@pytest.mark.parametrize("kind", NAMES)
def test_a_changed_row_is_named_by_file_and_seed(kind, out):
    results.read(out, "tiny_amsgrad")
    path = out / "CSV" / NAMES[kind]

    def change(rows):
        row = next(row for row in rows if row[0] == "1")
        column = 3
        row[column] = str(float(row[column]) + 0.001) if kind != "predictions" else str((int(row[column]) + 1) % 10)

    edit(path, change)
    with pytest.raises(UserError, match=rf"{path.name} was changed after seed 1 was run: .* --fresh") as said:
        results.read(out, "tiny_amsgrad")
    assert "\n" not in str(said.value)


def test_a_history_that_is_cut_in_its_last_row_is_refused(out):
    path = out / "CSV" / NAMES["history"]
    text = path.read_text()
    path.write_text(text[: text.rindex(",", 0, text.rindex(","))])  # two cells short: nothing else misses them
    with pytest.raises(UserError, match="was changed after seed 1 was run"):
        results.read(out, "tiny_amsgrad")


def test_what_a_spreadsheet_does_to_the_format_is_no_change(out):
    """Other line ends, fifteen digits in place of seventeen, 1.0 for 1."""

    def change(rows):
        for row in rows:
            row[1] = f"{row[1]}.0"
            row[3:] = [cell and f"{float(cell):.15g}" for cell in row[3:]]

    for kind in ("history", "layers"):
        before = (out / "CSV" / NAMES[kind]).read_bytes()
        edit(out / "CSV" / NAMES[kind], change)
        assert (out / "CSV" / NAMES[kind]).read_bytes() != before
    edit(out / "CSV" / NAMES["predictions"], lambda rows: None)
    assert set(results.read(out, "tiny_amsgrad").runs) == {0, 1}


def test_records_without_hashes_pass(out):
    path = history.json_path(out, "tiny_amsgrad")
    record = history.read_json(path)
    for run in record["runs"].values():
        del run["rows"]
    history.write_json(path, record)
    edit(out / "CSV" / NAMES["history"], lambda rows: rows[0].__setitem__(3, "0.123"))
    results.read(out, "tiny_amsgrad")
