"""Options: all of an experiment's settings, explained, checked and read; odd values end in one line."""

import dataclasses
import re

import pytest

from kerasqueeze.commands import bench, compare, options, report, run, study, sweep
from kerasqueeze.errors import UserError
from kerasqueeze.training.experiment import Experiment

BASE = Experiment(name="x", about="", dataset="digits")
SETTINGS = [field.name for field in dataclasses.fields(Experiment) if field.name not in ("name", "about")]
OTHER = {
    "dataset": "folder",
    "model": "resnet50",
    "weights": "imagenet",
    "optimizer": "amsgrad",
    "amsgrad_form": "paper",
    "head": "imagenet_slice",
    "image_size": 64,
    "crop_size": 32,
    "limit": 2,
    "optimizer_options": "beta_1=0.8",
    "schedule": "one_cycle",
    "resize": "squash",
    "decay_form": "coupled",
    "keep": "last",
    "freeze": "backbone",
    "phases": "free=head epochs=10",
    "rate_factors": "0.5",
    "enlarge": 64,
}
"""A value for each setting, other than its default; where none is given, one is made."""


def other(name: str) -> object:
    if name in OTHER:
        return OTHER[name]
    default = getattr(BASE, name)
    return 0.25 if isinstance(default, float) else (not default) if isinstance(default, bool) else default + 1


def entries(text: str) -> dict[str, str]:
    """Return the text of each option in a help, by the option, white space made one blank."""
    found = re.findall(r"^  (--[a-z-]+).*?(?=^  -|\Z)", text, re.MULTILINE | re.DOTALL)
    texts = re.split(r"^  (?=-)", text, flags=re.MULTILINE)[1:]
    return {name: " ".join(next(one for one in texts if one.startswith(name)).split()) for name in found}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_an_option_that_says_its_default(name):
    text = entries(run.parser().format_help())[f"--{name.replace('_', '-')}"]
    assert len(text.split()) > 5
    default = getattr(BASE, name)
    if isinstance(default, bool):
        assert f"--no-{name.replace('_', '-')}" in text and f"(default: {'yes' if default else 'no'})" in text
    elif default is None:
        assert "if not given" in text
    elif name != "dataset":
        shown = re.search(r"\(default: (.*)\)$", text)
        assert shown and type(default)(shown[1]) == default


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--image-size", "32 to 1024 pixels"),
        ("--crop-size", "32 to 1024 pixels"),
        ("--learning-rate", "a number above 0, at most 1"),
        ("--dropout", "a number from 0 up, below 1"),
        ("--erase", "0, or a number above 0.02, at most 1"),
        ("--epochs", "a whole number from 0 up, at most 100000"),
        ("--optimizer", "{adam,adam_matched,amsgrad,sgd,"),
        ("--dataset", "cifar10, digits, folder, stanford_cars, stanford_dogs"),
        (
            "--model",
            "squeezenet1_1_complex_bypass, mobilenet, mobilenet_v2, resnet50, vgg16, vgg16_4096, efficientnetb0",
        ),
    ],
)
def test_help_says_range_unit_and_choices(option, said):
    assert said in entries(run.parser().format_help())[option]


@pytest.mark.parametrize("module", [run, study, sweep])
def test_every_option_of_training_commands_has_a_help_in_ascii(module):
    parser = module.parser()
    assert parser.format_help().isascii()
    assert all(action.help for action in parser._actions)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_is_given_reaches_the_experiment(name):
    value = other(name)
    option = f"--{name.replace('_', '-')}"
    words = [option if value else f"--no-{name.replace('_', '-')}"] if isinstance(value, bool) else [option, str(value)]
    found = options.settings(run.parser().parse_args(words))
    assert found == {name: value} and value != getattr(BASE, name)
    needed = {"amsgrad_form": {"optimizer": "amsgrad"}, "cycle_momentum": {"schedule": "one_cycle"}}
    needed = {**needed, "augment_views": {"freeze": "backbone"}}.get(name, {})
    assert getattr(BASE.override(**needed, **found), name) == value


def test_what_is_not_given_is_not_changed():
    assert options.settings(run.parser().parse_args([])) == {}
    assert options.settings(run.parser().parse_args(["--flip", "--epochs", "0"])) == {"flip": True, "epochs": 0}


def test_a_sweep_has_all_settings_but_the_rate_it_sweeps():
    given = [action.dest for action in sweep.parser()._actions]
    assert set(SETTINGS) - set(given) == {"learning_rate"}


ODD = ("", " ", "-1", "0", "-0", "1", "nan", "inf", "-inf", "1e999", "1e-400", "9" * 20, "9" * 5000, "٣", "½", "0x10")
ODD += ("1,1", ",", "a,a", "a b", "a\nb", "../..", "~nobody9/x", "\udcff", "%s", "None", "x" * 300, "1_000", "\x1b[31m")


NEEDED = {
    run: ["--quiet"],
    study: ["--quiet"],
    sweep: ["--quiet", "--exp", "digits_scratch_adam"],
    bench: [],
    report: [],
    compare: ["a", "b"],
}


@pytest.mark.parametrize("module", NEEDED)
def test_odd_values_of_every_option_end_in_one_line_or_are_taken(module, typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = module.__name__.rpartition(".")[2].replace("_", "-")
    seen = set()
    for action in module.parser()._actions:
        if action.nargs == 0 or not action.option_strings:
            continue
        for value in ODD:
            code, out, err = typed(command, *NEEDED[module], f"{action.option_strings[0]}={value}")
            assert code in (2, 99), (action.dest, value, err)
            assert out == "" and err.count("\n") == 1 and err[:-1].isprintable(), (action.dest, value, err)
            assert err == "would begin\n" if code == 99 else err.startswith("error: "), (action.dest, value, err)
            seen.add(code)
    assert seen == ({2, 99} if module in (run, study, sweep, bench) else {2})
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--exp", "a,a"], "'a,a' is not a list of names; expected names such as a,b, each once"),
        (["run", "--exp", "a,,b"], "'a,,b' is not a list of names"),
        (["run", "--epochs", "9" * 20], f"epochs={'9' * 20} is out of range; expected a whole number from 0 up"),
        (["run", "--dataset", "cats"], "unknown data set 'cats'; choose from: cifar10, digits, folder, stanford_cars"),
        (["study", "--model", "vgg"], "unknown model 'vgg'; choose from: efficientnetb0, mobilenet,"),
        (["sweep", "--exp", "digits_scratch_adam", "--points", "1000000000"], "at least 2 points, at most 1000"),
        (["sweep", "--exp", "digits_scratch_adam", "--learning-rates", ""], "'' is not a list of learning rates"),
        (["sweep", "--exp", "digits_scratch_adam", "--epochs", "0"], "digits_scratch_adam has epochs=0, which no"),
        (["sweep", "--exp", "zero_training"], "zero_training has epochs=0, which no learning rate changes"),
        (["compare", "a", "b", "--margin", "0"], "'0' is out of range; expected a number above 0, below 1"),
        (["report", "--margin", "1"], "'1' is out of range; expected a number above 0, below 1"),
        (["report", "--out", ""], "'' is no path"),
        (["check-port", "--weights", ""], "'' is no path"),
        (["check-port", "--weights", "a\nb.pth"], "a\\nb.pth"),
        (["check-port", "--weights", "w.pth", "--variant", "2"], "argument --variant: invalid choice: '2'"),
    ],
)
def test_what_cannot_be_meant_is_named(words, said, typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = typed(*words)
    assert code == 2 and said in err and err.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_names_may_have_blanks_around_them():
    assert options.names("a, b") == ["a", "b"]


def test_errors_of_options_are_errors_of_the_user():
    with pytest.raises(UserError, match=r"unrecognized arguments: --epoch 3 \(--help lists the options\)"):
        run.parser().parse_args(["--epoch", "3"])  # no abbreviations
