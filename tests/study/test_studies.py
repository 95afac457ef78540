"""The tables of studies beside the main one, against numbers that are read off the made-up files by hand."""

import re

import pytest
import synthetic

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.study import report
from kerasqueeze.study.report.chapters import studies
from kerasqueeze.study.results import read


def cifar10(out, prefix=""):
    for freeze, name in (("backbone", "frozen"), ("all_but_last_stage", "last_stage"), ("none", "all")):
        for epochs in (2, 5):
            synthetic.make(
                out,
                f"{prefix}cifar10_{name}_{epochs}",
                [0],
                dataset="cifar10",
                freeze=freeze,
                epochs=epochs,
                weights="w",
            )
    synthetic.make(
        out,
        f"{prefix}cifar10_frozen_momentum",
        [0],
        dataset="cifar10",
        freeze="backbone",
        epochs=5,
        optimizer="momentum",
    )


def accuracy_of(out, name):
    return history.read_json(history.json_path(out, name))["runs"]["0"]["test"]["accuracy"]


def test_epochs_by_what_trains(tmp_path):
    cifar10(tmp_path)
    names = [path.stem for path in sorted((tmp_path / "CSV").glob("*.json"))]
    text = studies.of([read(tmp_path, name) for name in names])
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == ["epochs", "frozen: the head alone", "last stage and head", "all"]
    for row, epochs in ((lines[2], 2), (lines[3], 5)):
        assert row[0] == str(epochs)
        for cell, part in zip(row[1:], ("frozen", "last_stage", "all"), strict=True):
            best = max(1, epochs - 1)
            assert f"loss {1 / (1 + best):.3f}" in cell  # what the made-up history has in its kept epoch
            assert f"accuracy {accuracy_of(tmp_path, f'cifar10_{part}_{epochs}'):.3f}" in cell
    assert lines[4] == ["epochs", "Adam", "SGD with momentum 0.9"]
    assert f"{accuracy_of(tmp_path, 'cifar10_frozen_momentum'):.3f}" in lines[6][2]


def test_update_rules_in_a_table_and_a_picture(tmp_path):
    for rule in ("sgd", "momentum", "adam"):
        name = f"optimizers_digits/optimizers_digits_{rule}"
        synthetic.make(tmp_path, name, [0, 1, 2], optimizer=rule, learning_rate=0.25)
    found = studies.gather(tmp_path)
    assert list(found) == ["optimizers_digits"]
    text = studies.chapter(found)
    assert "| SGD | 0.25 |" in text and "| momentum | 0.25 |" in text and "PNG/optimizers_digits.png" in text
    studies.draw(tmp_path, found)
    assert (tmp_path / "PNG" / "optimizers_digits.png").stat().st_size > 10_000


def test_a_study_in_a_folder_is_a_chapter_of_the_report(tmp_path):
    synthetic.study(tmp_path)
    for name in ("cars_as_reported", "cars_fine_tuning_adam", "cars_fine_tuning_amsgrad"):
        synthetic.make(tmp_path, f"cars/{name}", [0], dataset="stanford_cars", optimizer=name.split("_")[-1])
    report.write(tmp_path)
    text = (tmp_path / "REPORT.md").read_text()
    chapter = text[text.index("## Other studies") :]
    assert "### 196 models of cars" in chapter and f"Guessing gives {1 / 3:.4f}" in chapter
    assert re.search(r"- .*cars_fine_tuning_adam", chapter)
    assert "cars" not in text[: text.index("## Other studies")]
    synthetic.make(tmp_path, "freeze/dogs_all_free", [0])
    report.write(tmp_path)
    missing = next(line for line in (tmp_path / "REPORT.md").read_text().splitlines() if "**Not here**" in line)
    assert "dogs_head_alone" in missing and "dogs_all_free" not in missing


def test_changed_files_of_a_study_are_refused(tmp_path):
    synthetic.study(tmp_path)
    synthetic.make(tmp_path, "cars/cars_scratch_adam", [0])
    hashes = history.hash_rows(tmp_path, "cars/cars_scratch_adam", [0])[0]
    path = history.json_path(tmp_path, "cars/cars_scratch_adam")
    synthetic.edit(path, lambda record: record["runs"]["0"].update(rows=hashes))
    report.write(tmp_path)
    csv = history.csv_path(tmp_path, "cars/cars_scratch_adam")
    csv.write_text(csv.read_text().replace("0.5", "0.4"))
    with pytest.raises(UserError, match="was changed after seed 0 was run"):
        report.write(tmp_path)


def test_phases_and_early_stopping_are_told(tmp_path):
    synthetic.make(tmp_path, "freeze/dogs_freeze_then_free", [0])
    phases = [{"free": "head", "epochs": 2, "front": "kept from fire9_concat, 3.0 s", "outcome": "ran all epochs"}]
    path = history.json_path(tmp_path, "freeze/dogs_freeze_then_free")
    synthetic.edit(path, lambda record: record["runs"]["0"].update(phases=phases))
    for name in ("dogs_as_reported_adam", "dogs_as_reported_adam_stopped"):
        synthetic.make(tmp_path, f"as_reported/{name}", [0])
    text = studies.chapter(studies.gather(tmp_path))
    assert "head 2 epochs, front kept from fire9_concat" in text
    assert "1.000 at epoch 3" in text  # the made-up history's lowest


def test_without_studies_there_is_no_chapter(tmp_path):
    assert studies.chapter(studies.gather(tmp_path)) == ""
    synthetic.make(tmp_path, "a", [0])
    assert studies.of([read(tmp_path, "a")]) == ""
