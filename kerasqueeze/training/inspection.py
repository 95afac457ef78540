"""What of a network learns, and what an optimizer does to it in its first steps."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasqueeze.data import datasets
from kerasqueeze.data.pipeline import Batches
from kerasqueeze.models import stages
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.model import training_model

NOTHING = (
    (layers.Dropout, "dropout draws which features to hide; it has nothing to learn"),
    (layers.Flatten, "flatten puts numbers in another order; it has nothing to learn"),
    (layers.Activation, "an activation such as ReLU is a fixed function; it has nothing to learn"),
    (layers.ReLU, "ReLU is a fixed function; it has nothing to learn"),
)
"""Why layers without parameters have none, by class."""


@dataclass(frozen=True)
class Layer:
    """A layer after some real steps.

    Attributes:
        name: Its name.
        kind: Its class.
        stage: The stage that it belongs to.
        parameters: Numbers that training may change.
        statistics: Numbers that are counted and not learnt: batch normalisation's means and variances.
        trains: Whether its parameters are free.
        moved: Norm of the first step's change over that of the weights; None without parameters.
        spread: 10th, 50th and 90th percentile of the last step's change of single weights, as shares of the rate.
        why: Why it has no parameters, or what its statistics are; "" if there is nothing to say.
    """

    name: str
    kind: str
    stage: str
    parameters: int
    statistics: int
    trains: bool
    moved: float | None
    spread: tuple[float, float, float] | None
    why: str


@dataclass(frozen=True)
class Inspection:
    """An inspection's outcome.

    Attributes:
        layers: The network's layers, front to back.
        steps: Real steps that were taken.
        optimizer: Name of the optimizer's class.
        memory: Numbers that it keeps for each number that trains.
        kept: What it calls them.
        activations: By name, how many layers with parameters apply one to their result.
    """

    layers: tuple[Layer, ...]
    steps: int
    optimizer: str
    memory: float
    kept: tuple[str, ...]
    activations: dict[str, int]


def run(experiment: Experiment, data: datasets.DataSet, seed: int = 0, steps: int = 10) -> Inspection:
    """Take some real steps of an experiment's first phase and look at every layer.

    Args:
        experiment: The settings.
        data: The photos.
        seed: Of weights, batches, augmentation and dropout.
        steps: Steps, at least 1. In the very first one Adam changes every weight by the rate, whatever its gradient;
            how its steps differ shows in later ones.
    """
    model, network = training_model(experiment, data, seed)
    batches = Batches(data.train, experiment.batch_size, seed=seed)
    start = _values(network)
    first, before, rate = start, start, 0.0
    for step in range(steps):
        before = _values(network)
        rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        model.train_on_batch(*batches[step % len(batches)])
        if not step:
            first = _values(network)
    last = _values(network)
    found = tuple(_look(layer, start, first, before, last, rate) for layer in network.layers if not _is_input(layer))
    trained = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    of_weights = {variable.path.replace("/", "_") for variable in network.trainable_variables}
    moments = [
        (name, variable)
        for variable in model.optimizer.variables
        for name in [_moment(variable.path, of_weights)]
        if name
    ]
    memory = sum(int(np.prod(variable.shape)) for _, variable in moments) / max(trained, 1)
    kept = tuple(dict.fromkeys(name for name, _ in moments))
    names = [
        getattr(getattr(layer, "activation", None), "__name__", "linear") for layer in network.layers if layer.weights
    ]
    activations = {name: names.count(name) for name in dict.fromkeys(names) if name != "linear"}
    return Inspection(found, steps, type(model.optimizer).__name__, memory, kept, activations)


def _look(layer: Any, start: Any, first: Any, before: Any, last: Any, rate: float) -> Layer:
    counted = _statistics(layer)
    ids = {id(variable) for variable in counted}
    learnt = [variable for variable in layer.weights if id(variable) not in ids]
    moved = spread = None
    if learnt:
        change = np.concatenate([np.ravel(first[v.path] - start[v.path]) for v in learnt])
        norm = np.linalg.norm(np.concatenate([np.ravel(start[v.path]) for v in learnt]))
        moved = float(np.linalg.norm(change) / norm) if norm else float("nan")
        step = np.concatenate([np.ravel(np.abs(last[v.path] - before[v.path])) for v in learnt]) / max(rate, 1e-30)
        low, middle, high = np.percentile(step, (10, 50, 90))
        spread = (float(low), float(middle), float(high))
    return Layer(
        name=layer.name,
        kind=type(layer).__name__,
        stage=stages.stage_of(layer.name),
        parameters=sum(int(np.prod(v.shape)) for v in learnt),
        statistics=sum(int(np.prod(v.shape)) for v in counted),
        trains=bool(layer.trainable_variables),
        moved=moved,
        spread=spread,
        why=_why(layer, learnt, counted),
    )


def _why(layer: Any, learnt: list[Any], counted: list[Any]) -> str:
    if counted:
        return "means and variances of batches are counted, not learnt; scale and shift are learnt"
    if learnt:
        return ""
    for kind, why in NOTHING:
        if isinstance(layer, kind):
            return why
    if "Pooling" in type(layer).__name__:
        return "pooling takes a maximum or a mean; it has nothing to learn"
    return "a fixed function of its input; it has nothing to learn"


def _statistics(layer: Any) -> list[Any]:
    if not isinstance(layer, layers.BatchNormalization | layers.Normalization):
        return []
    return (
        list(layer.non_trainable_variables)
        if isinstance(layer, layers.Normalization)
        else [
            layer.moving_mean,
            layer.moving_variance,
        ]
    )


def _values(network: keras.Model) -> dict[str, np.ndarray]:
    return {variable.path: np.asarray(variable.value) for variable in network.weights}


def _is_input(layer: Any) -> bool:
    return isinstance(layer, layers.InputLayer)


def _moment(path: str, of_weights: set[str]) -> str:
    """Return what an optimizer calls a number that it keeps for each weight; "" for another variable."""
    name = path.rpartition("/")[2]
    return next((name[len(weight) + 1 :] for weight in of_weights if name.startswith(f"{weight}_")), "")


def against_sgd(steps: int = 300) -> tuple[float, float]:
    """Run the small example in which Adam loses to SGD, and return where Adam and SGD end; the best place is -1.

    On [-1, 1] the slope is 3 in every third step and -1 in the others, 1/3 on average, so that -1 is best. Adam divides
    the rare large slope by its own size and follows the frequent small ones to the worst place, 1 (Reddi, Kale & Kumar
    2018, theorem 1, with C = 3, beta_1 = 0 and beta_2 = 1 / (1 + C²)).
    """
    ends = []
    for optimizer in (keras.optimizers.Adam(0.05, beta_1=0.0, beta_2=0.1), keras.optimizers.SGD(0.05)):
        x = keras.Variable(0.0)
        for step in range(steps):
            optimizer.apply([keras.ops.convert_to_tensor(3.0 if step % 3 == 0 else -1.0)], [x])
            x.assign(keras.ops.clip(x, -1.0, 1.0))
        ends.append(float(keras.ops.convert_to_numpy(x)))
    return ends[0], ends[1]
