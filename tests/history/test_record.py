"""Records that were edited, damaged, or are something else: one line with the file and the key, never a traceback."""

import copy
import json
import shutil
from pathlib import Path

import pytest

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.history import record as record_module
from kerasqueeze.study import report, results, summary, sweep, verdicts

ROOT = Path(__file__).resolve().parents[2]
EARLIER = ROOT / "tests" / "references" / "earlier" / "CSV"
OTHERS = [None, "x", -1, 1.5, [], {}, True, 10**30, float("nan")]


@pytest.fixture
def out(tmp_path, monkeypatch):
    """Return a folder with two experiments as an earlier version left them."""
    monkeypatch.setattr("kerasqueeze.study.confusion.RESAMPLES", 3)
    shutil.copytree(EARLIER, tmp_path / "CSV")
    return tmp_path


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch):
    monkeypatch.setattr(record_module, "_left_out", set())


def places(value, path=()):
    """Yield the path of every value of a record, the outer ones first."""
    if path:
        yield path
    for key in value if isinstance(value, dict) else ():
        yield from places(value[key], (*path, key))


def edits(record):
    """Yield every record with one key missing, or with another value in its place."""
    for *above, key in places(record):
        for other in ("missing", *OTHERS):
            edited = copy.deepcopy(record)
            inner = edited
            for name in above:
                inner = inner[name]
            if other == "missing":
                del inner[key]
            else:
                inner[key] = other
            yield ".".join((*above, key)), other, edited


def use(out, other=None):
    """Do what `compare` does with the records of a folder; `other` is the second of them, if it was read before."""
    pair = [results.read(out, "tiny_adam"), other or results.read(out, "tiny_amsgrad")]
    verdicts.compare(*pair)
    summary.markdown(summary.summarise(pair))


@pytest.mark.slow
def test_an_edit_of_any_key_ends_in_one_line_or_changes_nothing_that_is_read(out):
    path = history.json_path(out, "tiny_adam")
    original = json.loads(path.read_text())
    original["runs"]["0"]["numerics"] = {"floatx": "float32"}
    original["runs"]["0"]["rows"] = history.hash_rows(out, "tiny_adam", [0])[0]
    seen, second = {"refused": 0, "read": 0}, results.read(out, "tiny_amsgrad")
    for place, other, edited in edits(original):
        path.write_text(json.dumps(edited))
        try:
            use(out, second)
            seen["read"] += 1
        except UserError as error:
            seen["refused"] += 1
            said = str(error)
            assert "\n" not in said and said.isprintable() and len(said) < 1000, (place, other)
            assert "tiny_adam" in said, (place, other, said)
    assert seen["refused"] > 300 and seen["read"] > 50, seen


@pytest.mark.parametrize("place", ["runs.0", "data", "experiment"])
def test_an_edit_ends_a_report_in_one_line_or_in_a_report(place, out):
    path = history.json_path(out, "tiny_adam")
    original = json.loads(path.read_text())
    for name, other, edited in edits(original):
        if name.startswith(place) and other in ("missing", None, "x", 7):
            path.write_text(json.dumps(edited))
            try:
                report.compose(report.gather(out, ["tiny_adam", "tiny_amsgrad"]))
            except UserError as error:
                assert "\n" not in str(error), (name, other)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["runs"]["0"].pop("epochs"), "runs.0.epochs is missing"),
        (lambda r: r["runs"]["0"].update(epochs="2"), "runs.0.epochs is '2'; expected a whole number from 0 up"),
        (lambda r: r["runs"]["0"].update(epochs=True), "runs.0.epochs is True; expected a whole number"),
        (lambda r: r["runs"]["0"].update(best_epoch=3), "runs.0.best_epoch is 3; expected at most its epochs, 2"),
        (
            lambda r: r["runs"]["0"]["test"].update(accuracy=1.2),
            "runs.0.test.accuracy is 1.2; expected a number from 0",
        ),
        (lambda r: r["data"].update(classes=9), "data.class_names has 10 names; expected 9, as data.classes says"),
        (lambda r: r["data"].update(test=0), "data.test is 0; expected the number of test photos"),
        (lambda r: r["runs"].update({"01": r["runs"]["0"]}), "runs has the key '01'; expected a seed"),
        (lambda r: r["runs"].update({"²": r["runs"]["0"]}), "runs has the key '²'; expected a seed"),
        (lambda r: r["experiment"].update(image_size=None), "experiment.image_size is null; expected a whole number"),
        (lambda r: r["experiment"].update(later=[1]), "experiment.later is a list; expected text, a number, true"),
        (lambda r: r.update(runs=[]), "runs is a list; expected names with values"),
        (lambda r: r.pop("data"), "data is missing"),
    ],
)
def test_the_line_names_the_file_the_key_and_what_was_expected(change, said, out):
    path = history.json_path(out, "tiny_adam")
    edited = json.loads(path.read_text())
    change(edited)
    path.write_text(json.dumps(edited))
    with pytest.raises(UserError) as error:
        history.read_json(path)
    assert str(error.value).startswith(f"{path}: {said}")
    assert str(error.value).endswith("; move it away and run the experiment again")


def test_every_record_that_was_published_has_the_schema():
    found = [*EARLIER.glob("*.json"), *(ROOT / "CSV").rglob("*.json")]
    found = [path for path in found if path.parent.name != "evaluations"]  # which say what was scored
    assert len(found) >= 6
    for path in found:
        history.read_json(path)


def test_what_a_later_version_adds_is_let_through(out):
    path = history.json_path(out, "tiny_adam")
    edited = json.loads(path.read_text())
    edited["phases"] = [{"epochs": 1}]
    edited["experiment"]["frozen"] = "stage2"
    edited["runs"]["0"]["devices"] = [0, 1]
    path.write_text(json.dumps(edited))
    assert history.read_json(path)["phases"] == [{"epochs": 1}]
    use(out)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff\xfe", b'{"experiment": NaN}', b"[" * 100_000, b"9" * 5000, b"null", b'{"name": "npm"}', b"[]"],
)
def test_files_that_are_no_records(text, out):
    path = history.json_path(out, "tiny_adam")
    path.write_bytes(text)
    with pytest.raises(UserError) as error:
        history.read_json(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    assert "is not JSON" in str(error.value) or "is not the record of an experiment" in str(error.value)


def test_foreign_files_are_left_out_with_one_warning_and_the_others_go_on(out, capfd):
    (out / "CSV" / "package.json").write_text('{"name": "x"}')
    (out / "CSV" / "._tiny_adam.json").write_bytes(b"\x00\x05\x16\x07" + b"\xff" * 50)
    (out / "CSV" / "broken.json").write_text("{")
    assert [result.name for result in results.read_all(out)] == ["tiny_adam", "tiny_amsgrad"]
    table = summary.write_summary(out)
    assert table["experiment"].tolist() == ["tiny_adam", "tiny_amsgrad"]
    material = report.gather(out)
    assert [result.name for result in material.results] == ["tiny_adam", "tiny_amsgrad"]
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"warning: left out: {out / 'CSV' / 'broken.json'} is not JSON")
    assert lines[1].startswith(f"warning: left out: {out / 'CSV' / 'package.json'} is not the record of an experiment")


def test_a_damaged_record_that_is_asked_for_by_name_is_an_error(out):
    path = history.json_path(out, "tiny_adam")
    path.write_text("{")
    with pytest.raises(UserError, match=r"tiny_adam\.json is not JSON"):
        report.gather(out, ["tiny_adam"])
    with pytest.raises(UserError, match=r"tiny_adam\.json is not JSON"):
        results.read(out, "tiny_adam")


def test_a_foreign_file_in_a_sweep_is_left_out(out, capfd):
    point = out / "sweep" / "tiny_adam" / "lr_0.001"
    shutil.copytree(EARLIER, point / "CSV")
    (point / "CSV" / "tiny_amsgrad.json").write_text("[]")
    (point / "CSV" / "._tiny_adam.json").write_bytes(b"\x00")
    assert sweep.collect(out)["experiment"].tolist() == ["tiny_adam"]
    assert capfd.readouterr().err.count("\n") == 1
