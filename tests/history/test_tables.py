"""Tables that a spreadsheet saved again, or that someone edited."""

import random
import shutil
from pathlib import Path

import pandas as pd
import pytest

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import results, verdicts

EARLIER = Path(__file__).resolve().parents[1] / "references" / "earlier" / "CSV"
READERS = {
    "tiny_amsgrad.csv": history.read_csv,
    "tiny_amsgrad_layers.csv": history.read_layers,
    "tiny_amsgrad_predictions.csv": history.read_predictions,
}


@pytest.fixture
def out(tmp_path):
    """Return a folder with two experiments as an earlier version left them, their rows hashed."""
    shutil.copytree(EARLIER, tmp_path / "CSV")
    record = history.read_json(history.json_path(tmp_path, "tiny_amsgrad"))
    record["runs"]["0"]["rows"] = history.hash_rows(tmp_path, "tiny_amsgrad", [0])[0]
    history.write_json(history.json_path(tmp_path, "tiny_amsgrad"), record)
    return tmp_path


def commas(lines):
    return ",".join([""] * (lines[0].count(",") + 1))


SAVED_AGAIN = {
    "carriage returns and line feeds": lambda lines: "\r\n".join(lines) + "\r\n",
    "carriage returns": lambda lines: "\r".join(lines) + "\r",
    "no last line end": lambda lines: "\n".join(lines),
    "a byte order mark": lambda lines: "\ufeff" + "\n".join(lines) + "\n",
    "rows of commas": lambda lines: "\n".join([*lines, commas(lines), commas(lines)]) + "\n",
    "a row of commas in the middle": lambda lines: "\n".join([*lines[:2], commas(lines), *lines[2:]]) + "\n",
    "empty lines": lambda lines: "\n\n".join(lines) + "\n\n",
    "empty columns": lambda lines: "\n".join(f"{line},," for line in lines) + "\n",
    "quoted cells": lambda lines: "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in lines),
    "seeds with a decimal point": lambda lines: "\n".join([lines[0], *(f"0.0{line[1:]}" for line in lines[1:])]),
    "rows in another order": lambda lines: "\n".join([lines[0], *lines[:0:-1]]),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("how", SAVED_AGAIN)
def test_a_file_that_was_only_saved_again_reads_the_same(how, name, out):
    path = out / "CSV" / name
    if how == "rows in another order" and "layers" in name:
        pytest.skip("the order of blocks is that of the network")
    before = READERS[name](path)
    path.write_bytes(SAVED_AGAIN[how](path.read_text().splitlines()).encode())
    pd.testing.assert_frame_equal(READERS[name](path), before)
    results.read(out, "tiny_amsgrad")  # hashes and all


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda line: line.replace("0,", ",", 1), "holds nothing as seed in row 1; expected a whole number from 0 up"),
        (lambda line: line.replace("0,", "-1,", 1), "holds '-1' as seed in row 1; expected a whole number"),
        (lambda line: line.replace("0,", "0.5,", 1), "holds '0.5' as seed in row 1; expected a whole number"),
        (lambda line: line.replace("0,", "1e300,", 1), "as seed in row 1; expected a whole number"),
        (lambda line: line.replace("0,", "inf,", 1), "as seed in row 1; expected a whole number"),
        (lambda line: line.replace("0,", "zero,", 1), "holds 'zero' as seed in row 1; expected a whole number"),
        (lambda line: line + ",7", "has rows with more cells than its head"),
        (lambda line: line + ",7,8,9", "has rows with more cells than its head"),
    ],
)
@pytest.mark.parametrize("name", READERS)
def test_what_is_wrong_is_named_by_row(name, change, said, out):
    path = out / "CSV" / name
    head, *lines = path.read_text().splitlines()
    changed = [change(line) if place == 0 or "more cells" in said else line for place, line in enumerate(lines)]
    path.write_text("\n".join([head, *changed]))
    with pytest.raises(UserError) as error:
        READERS[name](path)
    assert said in str(error.value) and str(error.value).startswith(str(path))


def test_decimal_commas_semicolons_and_text_are_refused(out):
    path = out / "CSV" / "tiny_amsgrad.csv"
    text = path.read_text()
    path.write_text(text.replace(",", ";").replace(".", ","))
    with pytest.raises(UserError, match=r"has semicolons between its cells; save it with commas"):
        history.read_csv(path)
    path.write_text(text.replace("0.", "0,"))
    with pytest.raises(UserError, match=r"tiny_amsgrad\.csv (is not a CSV file|has rows with more cells)"):
        history.read_csv(path)
    head, first, *rest = text.splitlines()
    cells = first.split(",")
    cells[2] = "#DIV/0!"
    path.write_text("\n".join([head, ",".join(cells), *rest]))
    with pytest.raises(UserError, match=r"holds '#DIV/0!' as loss_train in row 1; expected a number;"):
        history.read_csv(path)


@pytest.mark.parametrize("name", READERS)
def test_random_edits_end_in_one_line_or_read(name, out):
    path, draw = out / "CSV" / name, random.Random(0)
    text = path.read_text()
    record = history.json_path(out, "tiny_amsgrad")
    plain = EARLIER / "tiny_amsgrad.json"
    odd = ["", ",", "\n", '"', "x", "-1", "9" * 25, "1e400", "nan", "0.5", ";", "\x00", "é", "\r"]
    refused = 0
    for _ in range(150):
        begin = draw.randrange(len(text))
        edited = text[:begin] + draw.choice(odd) + text[begin + draw.choice([0, 0, 1, 5, 40]) :]
        path.write_text(edited, newline="")
        shutil.copy(plain, record)  # as an older record is, without hashes
        try:
            pair = [results.read(out, one) for one in ("tiny_adam", "tiny_amsgrad")]
            verdicts.compare(*pair)
            READERS[name](path)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error) and "tiny_amsgrad" in str(error), (edited[begin - 20 : begin + 20], error)
    assert refused > 20
