"""The chapters on probabilities, unseen photos and exports, against what the made-up files hold."""

import json

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib import pyplot as plt

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import evaluation, report
from kerasqueeze.study.figures import drawing, reliability
from kerasqueeze.study.report.chapters import calibration, exports, unseen
from kerasqueeze.study.results import read
from kerasqueeze.study.statistics import mcnemar


def with_probabilities(out, name, **settings):
    """Make up an experiment that says 0.9 of everything, and 0.6 at its temperature; 60 % are right."""
    synthetic.make(out, name, [0, 1], **settings)
    path = history.predictions_path(out, name)
    frame = pd.read_csv(path)
    right = np.arange(len(frame)) % 10 < 6
    frame["predicted"] = np.where(right, frame["label"], (frame["label"] + 1) % 3)
    frame.assign(confidence=0.9, calibrated=0.6).to_csv(path, index=False)
    accuracy = {int(seed): float(right[(frame["seed"] == seed).to_numpy()].mean()) for seed in (0, 1)}

    def change(record):
        for seed, run in record["runs"].items():
            run["temperature"] = 1.5
            run["test"]["accuracy"] = float(np.float32(accuracy[int(seed)]))

    synthetic.edit(history.json_path(out, name), change)


def test_the_error_before_and_after_is_in_the_table(tmp_path):
    with_probabilities(tmp_path, "sure")
    synthetic.make(tmp_path, "older", [0])
    text = calibration.section([read(tmp_path, "older"), read(tmp_path, "sure")])
    row = next(line for line in text.splitlines() if line.startswith("| sure"))
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["1.50/1.50", "0.300", "0.000", "0.900", "0.600", "0.600"]
    assert "| older" not in text
    assert calibration.section([read(tmp_path, "older")]) == ""


def test_the_picture_has_both_lines_at_what_the_bins_hold(tmp_path, monkeypatch):
    with_probabilities(tmp_path, "sure")
    kept = []
    monkeypatch.setattr(drawing, "save", lambda figure, path: kept.append(figure))
    reliability.draw([read(tmp_path, "sure")], tmp_path / "x.png")
    (panel,) = kept[0].axes
    lines = {line.get_label(): line.get_xydata().round(6).tolist() for line in panel.get_lines()}
    assert lines["as it should be"] == [[0, 0], [1, 1]]
    assert lines["as trained"] == [[0.9, 0.6]]
    assert lines["at the fitted temperature"] == [[0.6, 0.6]]
    plt.close(kept[0])


def evaluated(out, name, network, photos, right, count=100):
    """Leave an evaluation with so many right of the photos."""
    predicted = np.where(np.arange(count) < right, 0, 5)
    columns = {"photo": [f"{n}.jpg" for n in range(count)], "label": 0, "predicted": predicted}
    frame = pd.DataFrame({**columns, "predicted_among": 0, "confidence": 0.5, "in_top5": 1})
    about = {
        "model": f"{network}_seed0",
        "photos": photos,
        "class_numbers": [0, 3],
        "network_classes": 9,
        "origin": {"experiment": {"name": network}},
    }
    evaluation.write(out, name, frame, about)


def test_what_having_seen_the_photos_is_worth(tmp_path):
    evaluated(tmp_path, "home_a", "tuned", "stanford_dogs", 80)
    evaluated(tmp_path, "pets_a", "tuned", "pets", 60)
    evaluated(tmp_path, "pets_b", "scratch", "pets", 20)
    text = unseen.chapter(unseen.gather(tmp_path))
    limits = evaluation.newcombe((80, 100), (60, 100))
    row = f"| tuned | all 9 | 0.800 | 0.600 | +0.200 \\[{limits.low:+.3f}, {limits.high:+.3f}\\] |"
    assert row in text
    assert "| tuned | these 2 | 1.000 | 1.000 | +0.000" in text
    assert "| scratch | pets | 100 | all 9 | 0.200" in text
    assert "McNemar" not in text  # only one network has both
    evaluated(tmp_path, "home_b", "scratch", "stanford_dogs", 20)
    text = unseen.chapter(unseen.gather(tmp_path))
    expected = mcnemar(np.arange(100) < 60, np.arange(100) < 20).difference
    assert f"- On pets, tuned minus scratch: {expected.estimate:+.3f} [{expected.low:+.3f}, " in text


def test_evaluations_that_do_not_say_what_they_are_of_are_refused(tmp_path):
    evaluated(tmp_path, "x", "tuned", "pets", 60)
    path = evaluation.folder(tmp_path) / "x.json"
    for content, said in (("{}", "does not say model, photos"), ("[", "cannot be read"), ("5", "cannot be read")):
        path.write_text(content)
        with pytest.raises(UserError, match=said):
            unseen.gather(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"x\.json cannot be read"):
        unseen.gather(tmp_path)


def exported(out):
    columns = dict.fromkeys(exports.COLUMNS, 0.5) | {"bytes": 833_000, "photos": 8580, "processor": "abacus"}
    rows = [{**columns, "format": "keras", "weights": "none"}]
    rows.append(
        {**columns, "format": "onnx", "weights": "int8", "lost": 0.0012, "lost_low": -0.001, "lost_high": 0.0034}
    )
    path = out / "CSV" / "bench_exports.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)


def test_exports_in_a_table(tmp_path):
    assert exports.chapter(tmp_path) == ""
    exported(tmp_path)
    text = exports.chapter(tmp_path)
    assert "all 8580 test photos" in text and "abacus" in text
    assert "| onnx | int8 | 0.833 | 0.5000" in text and "| +0.12 \\[-0.10, +0.34\\] |" in text
    assert "| keras | float32 | 0.833 |" in text


def test_the_report_holds_all_three(tmp_path):
    synthetic.study(tmp_path)
    with_probabilities(tmp_path, "deployed/sure", dataset="stanford_dogs")
    evaluated(tmp_path, "pets", "tuned", "pets", 60)
    exported(tmp_path)
    report.write(tmp_path)
    text = (tmp_path / "REPORT.md").read_text()
    assert "## Photos that the networks have not seen" in text and "## Exports" in text
    assert "### Can the probabilities be taken at their word?" in text
    assert (tmp_path / "PNG" / "deployed_calibration.png").stat().st_size > 10_000
    assert json.loads((evaluation.folder(tmp_path) / "pets.json").read_text())["photos"] == "pets"
