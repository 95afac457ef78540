"""The benchmark of XLA's choices of library, on one small network."""

import pandas as pd
import pytest

from kerasqueeze.bench import xla_flags
from kerasqueeze.startup import xla


@pytest.mark.slow
def test_each_choice_is_measured_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(xla_flags, "CHOICES", {"individual_dot": "individual_dot", "default": None})
    lines: list[str] = []
    rows = xla_flags.measure("squeezenet1_1, stock", 32, 2, rounds=1, burst=0.01, say=lines.append)
    table = pd.DataFrame(rows, columns=list(xla_flags.COLUMNS))
    assert table["choice"].tolist() == list(xla_flags.CHOICES) * 2
    assert table["task"].tolist() == ["training"] * 2 + ["inference"] * 2
    assert (table["median"] > 0).all() and len(lines) == 4
    first = table[table["choice"] == "individual_dot"].set_index("task")["median"]
    for row in rows:
        assert row["ratio"] == pytest.approx(first[row["task"]] / row["median"])


@pytest.mark.parametrize(
    ("choice", "flags"),
    [("individual_dot", f"--a=1 {xla.FLAG}=individual_dot"), ("none", f"--a=1 {xla.FLAG}="), ("default", "--a=1")],
)
def test_a_process_makes_its_choice_before_jax_starts(choice, flags, monkeypatch):
    from kerasqueeze.models.fast import compiled

    monkeypatch.setenv("XLA_FLAGS", f"--a=1 {xla.FLAG}={xla.CHOICE}")
    monkeypatch.setattr(compiled, "OPTIONS", {})
    monkeypatch.setattr("kerasqueeze.models.backbones.build", lambda name, **kwargs: (name, kwargs))
    monkeypatch.setattr("kerasqueeze.bench.worker.steps", lambda model, size, batch: {"model": model})
    monkeypatch.setattr("kerasqueeze.models.fast.set_lowering", lambda lowering: None)
    _, tasks = xla_flags.prepare("resnet50, stock", choice, 64, 2)
    assert tasks == {"model": ("resnet50", {"classes": 120, "image_size": 64})}
    assert xla_flags.os.environ["XLA_FLAGS"] == flags
    assert compiled.OPTIONS.get(xla.FLAG.removeprefix("--")) == xla_flags.CHOICES[choice]
