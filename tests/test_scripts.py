"""The commands as a user types them."""

import contextlib
import io
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("quick_compilation")
SCRIPTS = Path(__file__).parent.parent / "scripts"
QUICK = ["--limit", "8", "--epochs", "1", "--batch-size", "40"]


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPTS / f"{name}.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def inside(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script within this process, which saves the seconds that importing Keras takes."""
    out, err, code = io.StringIO(), io.StringIO(), None
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        try:
            runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        except SystemExit as left:
            code = left.code
    return subprocess.CompletedProcess([name], code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return out, script("run", "--out", out, *QUICK)


def test_run_trains_draws_and_prints_the_table(ran):
    out, done = ran
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| Model | Initialisation | Optimizer | Accuracy | Precision | Recall |")
    assert done.stdout.count("| SqueezeNet 1.1 | random | A") == 2
    assert sorted(path.name for path in (out / "CSV").iterdir()) == [
        "digits_scratch_adam.csv",
        "digits_scratch_adam.json",
        "digits_scratch_adam_layers.csv",
        "digits_scratch_adam_predictions.csv",
        "digits_scratch_amsgrad.csv",
        "digits_scratch_amsgrad.json",
        "digits_scratch_amsgrad_layers.csv",
        "digits_scratch_amsgrad_predictions.csv",
        "summary.csv",
    ]
    for name in ("digits_scratch_adam.png", "digits_scratch_amsgrad_layers.png"):
        with Image.open(out / "PNG" / name) as picture:
            picture.verify()


def test_compare_draws_and_says_undecided_for_one_seed(ran):
    out, _ = ran
    done = script("compare", "digits_scratch_adam", "digits_scratch_amsgrad", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "undecided" in done.stdout
    assert "The arms differ in: optimizer." in done.stdout
    assert (out / "PNG" / "digits_scratch_adam_VS_digits_scratch_amsgrad_combined.png").exists()
    assert len(pd.read_csv(out / "CSV" / "summary.csv")) == 2


def test_study_says_what_is_left_for_the_settings_it_was_given(ran):
    out, _ = ran
    done = inside("study", "--seeds", "0,1", "--dry-run", "--out", out, *QUICK)
    assert done.returncode == 0
    assert done.stdout.startswith("2 of 4 runs finished, 2 left\n")
    assert "seed 0" not in done.stdout and "digits_scratch_amsgrad seed 1" in done.stdout
    assert inside("study", "--epochs", "-1").stderr.startswith("error: epochs=-1 is out of range")


def test_list_shows_every_experiment_with_its_settings():
    done = script("run", "--list")
    assert done.returncode == 0
    for name in ("scratch_adam", "scratch_amsgrad", "fine_tuning_adam", "fine_tuning_amsgrad", "digits_scratch_adam"):
        assert f"\n{name}\n" in f"\n{done.stdout}"
    assert "optimizer=amsgrad" in done.stdout and "image_size=224" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exp", "skratch"], "unknown experiment 'skratch'; choose from: cars_as_reported"),
        (["--exp", "scratch_adam", "--model", "vgg"], "unknown model 'vgg'; choose from: "),
        (["--exp", "scratch_adam", "--dataset", "cats"], "unknown data set 'cats'; choose from: "),
        (
            ["--exp", "scratch_adam", "--optimizer", "sgdm"],
            "unknown optimizer 'sgdm'; choose from: adagrad, adam, adam_matched",
        ),
        (["--exp", "scratch_adam", "--epochs", "many"], "argument --epochs: invalid int value: 'many'"),
        (["--exp", "scratch_adam", "--epochs", "-1"], "epochs=-1 is out of range; expected a whole number from 0 up"),
        (["--exp", "scratch_adam", "--seeds", "0,0"], "'0,0' is not a list of seeds; expected whole numbers"),
        (["--exp", "scratch_adam", "--sede", "0"], "unrecognized arguments: --sede"),
        (["--exp", "scratch_adam", "--data-dir", "nowhere"], "nowhere"),
        (["--exp", "fine_tuning_adam", "--weights", "w.pth"], "no weights file at 'w.pth'"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(arguments, said, tmp_path):
    done = inside("run", *arguments, "--out", tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_sweep_tries_a_rate_once_and_scores_no_test_photos(tmp_path):
    command = ["sweep", "--exp", "digits_scratch_adam", "--learning-rates", "1e-3", *QUICK, "--out", tmp_path]
    done = inside(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| Experiment | Best learning rate |")
    assert done.stderr.count("warning: digits_scratch_adam is best at") == 1
    table = pd.read_csv(tmp_path / "CSV" / "sweep.csv")
    assert table["learning_rate"].tolist() == [1e-3]
    record = tmp_path / "sweep" / "digits_scratch_adam" / "lr_0.001" / "CSV" / "digits_scratch_adam.json"
    assert "test" not in json.loads(record.read_text())["runs"]["0"]
    again = script(*command)
    assert again.stdout == done.stdout
    assert again.stderr.count("finished already") == 1
    with Image.open(tmp_path / "PNG" / "sweep.png") as picture:
        picture.verify()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exp", "scratch_adam,fine_tuning_adam"], "scratch_adam has epochs=90 and fine_tuning_adam epochs=2"),
        ([], "the following arguments are required: --exp"),
    ],
)
def test_bad_sweeps_get_one_line_and_exit_code_2(arguments, said, tmp_path):
    done = inside("sweep", *arguments, "--out", tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_compare_names_what_is_missing(tmp_path):
    done = inside("compare", "a", "b", "--out", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "run the experiment first: python scripts/run.py --exp a" in done.stderr
    assert script("compare", "a", "a").returncode == 2
