"""Settings of Keras, JAX and XLA that change numbers: refused, or recorded and compared."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import keras
import pytest

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.models.fast import switch
from kerasqueeze.training import numerics, runner
from kerasqueeze.training.experiment import Experiment

SCRIPT = Path(__file__).parents[2] / "scripts" / "run.py"
EARLIER = Path(__file__).parents[1] / "references" / "earlier"
SETTINGS = {"dataset": "digits", "image_size": 32, "limit": 12, "batch_size": 24, "epochs": 2, "learning_rate": 1e-3}
ADAM = Experiment(name="tiny_adam", about="", **SETTINGS)


def test_a_left_over_keras_json_is_refused_in_one_line(tmp_path):
    settings = {"floatx": "float16", "epsilon": 1e-7, "backend": "jax", "image_data_format": "channels_last"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    said = subprocess.run(
        [sys.executable, str(SCRIPT), "--exp", "digits_scratch_adam", "--out", str(tmp_path / "out")],
        env={**os.environ, "KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert f"floatx is 'float16'; experiments need 'float32': change it in {tmp_path / 'keras.json'}" in said.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epsilon", 1e-3, "epsilon is 0.001; experiments need 1e-07"),
        ("image_data_format", "channels_first", "experiments need 'channels_last'"),
        ("max_epochs", 1, "max_epochs is 1 and would cut the training short; unset KERAS_MAX_EPOCHS"),
        ("max_steps_per_epoch", 5, "unset KERAS_MAX_STEPS_PER_EPOCH"),
    ],
)
def test_other_settings_of_keras_are_refused(name, value, said, monkeypatch):
    numerics.check()
    monkeypatch.setattr(keras.config, name, lambda: value)
    with pytest.raises(UserError, match=said):
        numerics.check()


def test_what_changes_numbers_is_among_the_settings(monkeypatch):
    before = numerics.settings()
    assert json.loads(json.dumps(before)) == before
    changes = {
        "default_matmul_precision": lambda: jax.default_matmul_precision("bfloat16"),
        "threefry_partitionable": lambda: jax.threefry_partitionable(not before["threefry_partitionable"]),
        "enable_x64": lambda: jax.enable_x64(True),
        "default_prng_impl": lambda: jax.default_prng_impl("rbg"),
    }
    for name, change in changes.items():
        with change():
            assert numerics.difference(before, numerics.settings()) == name
    monkeypatch.setattr(keras.config, "dtype_policy", lambda: keras.DTypePolicy("mixed_bfloat16"))
    assert numerics.difference(before, numerics.settings()) == "dtype_policy"
    monkeypatch.undo()
    switch.set_lowering("stock")
    assert numerics.difference(before, numerics.settings()) == "lowering"
    switch.set_lowering("auto")
    monkeypatch.setenv("XLA_FLAGS", "--xla_b=2 --xla_dump_to=x  --xla_a=1")
    assert numerics.settings()["XLA_FLAGS"] == "--xla_a=1 --xla_b=2"
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    assert numerics.settings()["XLA_FLAGS"] == ""


def test_only_what_both_have_is_compared():
    assert numerics.difference({"a": 1, "b": 2}, {"b": 2, "c": 3}) == ""
    assert numerics.difference(None, {"a": 1}) == numerics.difference({"a": 1}, None) == ""
    assert numerics.difference({"a": None}, {"a": "x"}) == "a"


def test_a_seed_of_other_numerics_does_not_join(tmp_path):
    shutil.copytree(EARLIER / "CSV", tmp_path / "CSV")
    path = history.json_path(tmp_path, "tiny_adam")
    earlier = history.read_json(path)
    earlier["runs"]["0"]["numerics"] = {**numerics.settings(), "default_matmul_precision": "bfloat16"}
    history.write_json(path, earlier)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(UserError, match="seed 0 computed with default_matmul_precision='bfloat16', this process has"):
        runner.run(ADAM, [1], out=tmp_path)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    assert list(runner.run(ADAM, [0], out=tmp_path)["runs"]) == ["0"]  # nothing to compute: nothing to compare
