"""predict, evaluate, explain, worst and export as they are typed."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from deploy_networks import images
from PIL import Image

from kerasqueeze.deploy import photos
from kerasqueeze.study import evaluation

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def folder(tmp_path):
    """Two classes of the tiny network's, three photos each, and one that is none."""
    for number, image in enumerate(images(6, seed=2)):
        path = tmp_path / "photos" / ("Chihuahua" if number < 3 else "n02085936") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "photos"


def expected(tiny, folder):
    found = sorted(folder.rglob("[0-9].png"))
    return [str(path) for path in found], tiny.probabilities(np.stack([np.asarray(Image.open(path)) for path in found]))


def test_predict_prints_a_table(call, tiny, tiny_onnx, folder):
    names, probabilities = expected(tiny, folder)
    code, out, err = call("predict", "--model", tiny_onnx, folder, "--top", 2)
    assert (code, err) == (0, "")
    blocks = out.strip().split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == names
    best = probabilities[0].argmax()
    assert blocks[0].splitlines()[1] == f"  {probabilities[0, best]:.3f}  {tiny.class_names[best]}"
    assert all(len(block.splitlines()) == 3 for block in blocks)


def test_predict_as_json_and_csv(call, tiny, tiny_file, folder):
    names, probabilities = expected(tiny, folder)
    (folder / "broken.jpg").write_bytes(b"no photo")
    code, out, err = call("predict", "--model", tiny_file, folder, "--json")
    rows = {row["photo"]: row for row in map(json.loads, out.splitlines())}
    assert code == 1
    assert "broken.jpg cannot be decoded" in err
    assert "1 of 7 photos could not be read" in err
    assert "no photo in a format that is read" in rows.pop(str(folder / "broken.jpg"))["error"]
    for name, row in zip(names, probabilities, strict=True):
        found = {one["class"]: one["probability"] for one in rows[name]["classes"]}
        assert found == pytest.approx(dict(zip(tiny.class_names, row, strict=True)), abs=2e-6)
    code, out, _ = call("predict", "--model", tiny_file, folder, "--csv", "--top", 1)
    table = list(csv.DictReader(io.StringIO(out)))
    assert code == 1
    assert [row["photo"] for row in table if not row["error"]] == names
    assert [row["class"] for row in table if not row["error"]] == [
        tiny.class_names[row.argmax()] for row in probabilities
    ]


def test_a_photo_on_standard_input(tiny, tiny_onnx, folder):
    names, probabilities = expected(tiny, folder)
    command = [sys.executable, "-m", "kerasqueeze", "predict", "--model", str(tiny_onnx), "-", "--json"]
    with Path(names[0]).open("rb") as photo:
        done = subprocess.run(command, stdin=photo, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["photo"] == "standard input"
    assert found["classes"][0]["class"] == tiny.class_names[probabilities[0].argmax()]


def test_an_exported_file_needs_neither_keras_nor_jax(tiny_onnx, folder):
    code = (
        "import sys; sys.argv[0] = 'kerasqueeze'\nfrom kerasqueeze.commands import main\n"
        "try:\n    main.main()\nexcept SystemExit as left:\n    assert not left.code\n"
        "print(*(name for name in ('keras', 'jax', 'pandas', 'scipy', 'matplotlib') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", "--model", str(tiny_onnx), str(folder / "Chihuahua" / "0.png")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "x.jpg"], "the following arguments are required: --model"),
        (["predict", "--model", "no.onnx", "x.jpg"], "no model file at 'no.onnx'"),
        (["predict", "--model", "ONNX", "nothing.jpg"], "no photo at 'nothing.jpg'"),
        (
            ["predict", "--model", "ONNX", "x.jpg", "--top", "0"],
            "'0' is out of range; expected a whole number from 1 up",
        ),
        (["evaluate", "--model", "ONNX"], "no photos named; expected --data-dir DIR"),
        (["evaluate", "--model", "ONNX", "--data-dir", "nowhere"], "'nowhere' is not a folder"),
        (["evaluate", "--model", "ONNX", "--data-dir", ".", "--classes", "a"], "--classes chooses among those of a"),
        (["worst", "--model", "ONNX", "--data-dir", "nowhere"], "'nowhere' is not a folder"),
        (["worst", "--model", "ONNX", "--data-dir", ".", "--out", "."], ". is a folder; name a file for the picture"),
        (["worst", "--model", "ONNX", "--data-dir", ".", "--out", "x.onnx"], "x.onnx is no name for a picture"),
        (["predict", "--model", "ONNX", ""], "'' is no photo; expected a file, a folder"),
        (["explain", "ONNX", "nothing.jpg"], "no photo at 'nothing.jpg'"),
        (["export", "ONNX", "--format", "onnx"], "is for the runtime onnx, not keras"),
        (["export", "x.keras", "--format", "tflite"], "argument --format: invalid choice: 'tflite'"),
    ],
)
def test_bad_input_ends_in_one_line_with_2(call, tiny_onnx, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*[tiny_onnx if word == "ONNX" else word for word in words])
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and said in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_evaluate_scores_a_folder(call, tiny, tiny_onnx, folder, tmp_path):
    _, probabilities = expected(tiny, folder)
    labels = np.array([0, 0, 0, 2, 2, 2])
    code, out, _ = call("evaluate", "--model", tiny_onnx, "--data-dir", folder, "--json")
    found = json.loads(out)
    assert (code, found["photos"]) == (0, 6)
    assert found["among"]["all 5"]["accuracy"]["estimate"] == (probabilities.argmax(1) == labels).mean()
    alone = np.array([0, 2])[probabilities[:, [0, 2]].argmax(1)]
    assert found["among"]["these 2"]["accuracy"]["estimate"] == (alone == labels).mean()
    code, out, _ = call("evaluate", "--model", tiny_onnx, "--data-dir", folder, "--save", "mine", "--out", tmp_path)
    assert code == 0 and "| all 5 | 6 |" in out and "Expected calibration error" in out
    frame = evaluation.read(evaluation.folder(tmp_path) / "mine.csv")
    assert frame["label"].tolist() == labels.tolist()
    about = json.loads((evaluation.folder(tmp_path) / "mine.json").read_text())
    assert (about["photos"], about["class_numbers"], about["network_classes"]) == ("photos", [0, 2], 5)


def test_evaluate_leaves_out_what_it_is_told_to(call, tiny_onnx, folder):
    (folder / "cats").mkdir()
    photos_of_cats = folder / "cats" / "0.png"
    photos_of_cats.write_bytes(photos.as_png(images(1)[0]))
    code, _, err = call("evaluate", "--model", tiny_onnx, "--data-dir", folder)
    assert code == 2 and "'cats' is none of the 5 classes" in err
    code, out, _ = call("evaluate", "--model", tiny_onnx, "--data-dir", folder, "--skip-unknown")
    assert code == 0 and "| all 5 | 6 |" in out


def test_explain_draws_a_picture_for_each_photo(call, tiny, tiny_onnx, folder, tmp_path):
    (tmp_path / "again").mkdir()
    first = folder / "Chihuahua" / "0.png"
    second = tmp_path / "again" / "0.png"
    second.write_bytes(first.read_bytes())
    code, out, _ = call("explain", tiny_onnx, first, second, "--out", tmp_path / "out", "--class", "Chihuahua,café")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0_2_explained.png", "0_explained.png"]
    assert "Chihuahua 0." in out and "café" in out
    code, _, err = call("explain", tiny_onnx, first, "--out", tmp_path / "out", "--class", "cat")
    assert code == 2 and "'cat' is none of the 5 classes" in err


def test_worst_shows_the_highest_losses_first(call, tiny, tiny_onnx, folder, tmp_path):
    _, probabilities = expected(tiny, folder)
    code, out, _ = call("worst", "--model", tiny_onnx, "--data-dir", folder, "--count", 4, "--out", tmp_path / "w.png")
    losses = [float(line.split()[0]) for line in out.splitlines()[:-1]]
    true = -np.log(probabilities[np.arange(6), [0, 0, 0, 2, 2, 2]])
    assert code == 0
    assert losses == pytest.approx(sorted(true, reverse=True)[:4], abs=2e-3)
    with Image.open(tmp_path / "w.png") as picture:
        assert picture.width > 4 * 160
    code, _, err = call("worst", "--model", tiny_onnx, "--data-dir", folder, "--out", tmp_path / "w.png")
    assert code == 2 and "is there already; replace it with --force" in err


def test_export_writes_beside_the_model_and_replaces_nothing_unasked(call, tiny, tiny_file, folder, tmp_path):
    model = tmp_path / "net.keras"
    model.write_bytes(tiny_file.read_bytes())
    code, out, _ = call("export", model, "--format", "onnx", "--quantize", "int8", "--photos", folder)
    path = tmp_path / "net_int8.onnx"
    assert code == 0 and out.startswith(f"{path} (") and "against Keras on 3 images" in out
    before = path.read_bytes()
    code, out, err = call("export", model, "--format", "onnx", "--quantize", "int8")
    assert (code, out) == (2, "") and "is there already; replace it with --force" in err
    assert path.read_bytes() == before
    code, _, err = call("export", model, "--format", "onnx", "--out", model, "--force")
    assert code == 2 and "is the network itself" in err and model.read_bytes() == tiny_file.read_bytes()
    code, _, err = call("export", model, "--format", "onnx", "--quantize", "int5")
    assert code == 2 and "int5 rounds weights by what photos make of them; name some" in err
    code, _, err = call("export", model, "--format", "litert", "--quantize", "int5", "--photos", folder)
    assert code == 2 and "litert files have no weights stored as 'int5'" in err
