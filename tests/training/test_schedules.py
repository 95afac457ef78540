"""Schedules, and Adam whose momentum moves with one, against torch's formula and closed forms."""

import keras
import numpy as np
import pytest
from test_other_rules import RATE, SHAPES, follow, same, tree

from kerasqueeze.training.optimizers import adam, schedules


def torch_one_cycle(steps, first, middle, last, rise=0.3):
    """The formula of torch/optim/lr_scheduler.py, OneCycleLR, anneal_strategy="cos"."""
    top = rise * steps - 1

    def between(start, end, share):
        return end + (start - end) / 2.0 * (1 + np.cos(np.pi * share))

    return [
        between(first, middle, step / top) if step <= top else between(middle, last, (step - top) / (steps - 1 - top))
        for step in range(steps)
    ]


def test_one_cycle_is_torchs():
    rates = [float(schedules.build("one_cycle", 5e-4, 0, 200)(step)) for step in range(200)]
    np.testing.assert_allclose(rates, torch_one_cycle(200, 2e-5, 5e-4, 2e-9), rtol=1e-4, atol=1e-10)


def test_cycled_adam_follows_torchs_formula():
    total, path = 20, []
    betas = torch_one_cycle(total, 0.95, 0.85, 0.95)
    optimizer = adam.CycledAdam(RATE, total_steps=total)
    ours = follow(optimizer, total)
    weights = {name: value.astype(float) for name, value in tree(0).items()}
    m, v = ({name: np.zeros(shape) for name, shape in SHAPES.items()} for _ in range(2))
    for step, beta in enumerate(betas):
        for name, gradient in tree(step + 1).items():
            m[name] = beta * m[name] + (1 - beta) * gradient
            v[name] = 0.999 * v[name] + 0.001 * gradient.astype(float) ** 2
            root = np.sqrt(v[name] / (1 - 0.999 ** (step + 1))) + 1e-9
            weights[name] = weights[name] - RATE / (1 - beta ** (step + 1)) * m[name] / root
        path.append(weights)
    same(ours, weights)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", lambda done: 1.0),
        ("linear", lambda done: 1 - done),
        ("exponential", lambda done: 0.01**done),
        ("step", lambda done: 1.0 if done <= 0.5 else 0.1 if done <= 0.75 else 0.01),
    ],
)
def test_schedules_after_their_warm_up(name, expected):
    schedule = schedules.build(name, 0.4, 10, 110)
    rates = [float(schedule(step)) for step in range(110)]
    np.testing.assert_allclose(rates[:10], 0.4 * np.arange(1, 11) / 10, rtol=1e-6)
    np.testing.assert_allclose(rates[10:], [0.4 * expected(step / 100) for step in range(100)], rtol=1e-4)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert float(again(50)) == rates[50]
