"""The rules beside Adam's, and the adapter for optax, against optax and formulas over several steps."""

import keras
import numpy as np
import optax
import optax.contrib
import pytest

from kerasqueeze.errors import UserError
from kerasqueeze.training import optimizers
from kerasqueeze.training.experiment import OPTIMIZERS, Experiment
from kerasqueeze.training.optimizers import adam, from_optax, observed, others, registry

RATE, STEPS = 0.01, 12
SHAPES = {"conv1/kernel": (3, 3, 2, 4), "conv1/bias": (4,), "fire2_squeeze1x1/kernel": (1, 1, 4, 3)}


def tree(seed):
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}


def falling(step):
    return RATE * 0.8**step


@keras.saving.register_keras_serializable("test_other_rules")
class Falling(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return RATE * 0.8 ** keras.ops.cast(step, "float32")

    def get_config(self):
        return {}


def variables_of(values):
    found = []
    for path, value in values.items():
        with keras.name_scope(path.split("/")[0]):
            found.append(keras.Variable(value, dtype="float32", name=path.split("/")[1]))
    return found


def follow(optimizer, steps=STEPS):
    """Return the weights after so many steps along gradients of their own."""
    variables = variables_of(tree(0))
    for step in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(value) for value in tree(step + 1).values()], variables)
    return dict(zip(SHAPES, map(np.asarray, variables), strict=True))


def follow_optax(transform, steps=STEPS):
    weights = tree(0)
    state = transform.init(weights)
    for step in range(steps):
        updates, state = transform.update(tree(step + 1), state, weights)
        weights = optax.apply_updates(weights, updates)
    return weights


def same(ours, theirs, rtol=1e-4):
    for name in SHAPES:
        np.testing.assert_allclose(ours[name], np.asarray(theirs[name]), rtol=rtol, atol=2e-6, err_msg=name)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: others.ObservedSGD(Falling()), optax.sgd(falling)),
        (lambda: others.ObservedSGD(RATE, momentum=0.9), optax.sgd(RATE, momentum=0.9)),
        (lambda: others.ObservedSGD(RATE, momentum=0.9, nesterov=True), optax.sgd(RATE, momentum=0.9, nesterov=True)),
        (lambda: others.ObservedAdagrad(Falling()), optax.adagrad(falling, 0.1, eps=1e-7)),
        (lambda: others.ObservedRMSprop(Falling()), optax.rmsprop(falling, 0.9, eps=1e-7)),
        (lambda: others.ObservedLion(Falling()), optax.lion(falling, weight_decay=0.0)),
    ],
    ids=["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "lion"],
)
def test_rules_equal_optax(ours, theirs):
    same(follow(ours()), follow_optax(theirs))


def test_momentum_stores_steps_and_not_gradients():
    """Along a falling rate Keras' form is not optax': a step that is on its way keeps the rate it was made with."""
    ours = follow(others.ObservedSGD(Falling(), momentum=0.9))
    weights, velocity = tree(0), {name: np.zeros(shape) for name, shape in SHAPES.items()}
    for step in range(STEPS):
        velocity = {name: 0.9 * velocity[name] - falling(step) * tree(step + 1)[name] for name in SHAPES}
        weights = {name: weights[name] + velocity[name] for name in SHAPES}
    same(ours, weights)
    theirs = follow_optax(optax.sgd(falling, momentum=0.9))
    assert np.abs(ours["conv1/kernel"] - theirs["conv1/kernel"]).max() > 1e-3


def test_where_epsilon_stands_matters_where_gradients_are_small():
    """Adam with epsilon inside the root, as in the lecture, against outside: optax has both."""
    small = {name: 1e-5 * value for name, value in tree(1).items()}
    steps = []
    for settings in ({"eps": 1e-7}, {"eps": 0.0, "eps_root": 1e-7}):
        transform = optax.adam(RATE, **settings)
        updates, _ = transform.update(small, transform.init(tree(0)))
        steps.append(np.linalg.norm(updates["conv1/kernel"]))
    assert steps[0] > 10 * steps[1]
    size = np.abs(small["conv1/kernel"])
    assert steps[0] == pytest.approx(np.linalg.norm(RATE * size / (size + 1e-7)), rel=1e-4)
    assert steps[1] == pytest.approx(np.linalg.norm(RATE * size / np.sqrt(size**2 + 1e-7)), rel=1e-4)


def orthogonalised(matrix):
    """Muon's five Newton-Schulz steps, on the singular values alone."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.linalg.norm(matrix)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left * values @ right


def test_muon_orthogonalises_convolutions_as_matrices():
    """Singular values in NumPy; the rate's factor is that of the Moonlight report; biases are Adam's."""
    expected, momentum = {}, {}
    for name in (name for name in SHAPES if len(SHAPES[name]) > 1):
        expected[name], momentum = tree(0)[name].astype(float), np.zeros(SHAPES[name])
        rows, columns = np.prod(SHAPES[name][:-1]), SHAPES[name][-1]
        for step in range(4):
            gradient = tree(step + 1)[name].astype(float)
            momentum = 0.95 * momentum + gradient
            update = orthogonalised((gradient + 0.95 * momentum).reshape(rows, columns))
            expected[name] -= RATE * 0.2 * np.sqrt(max(rows, columns)) * update.reshape(SHAPES[name])
    ours = follow(others.ObservedMuon(RATE, weight_decay=None, adam_weight_decay=None), 4)
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
    assert np.abs(ours["conv1/bias"] - tree(0)["conv1/bias"]).max() <= 4.01 * RATE  # a step of Adam's: the rate at most
    plain = keras.optimizers.Muon(RATE)
    plain.build(variables_of(tree(0)))
    assert all(plain._should_use_adamw(variable) for variable in variables_of(tree(0)))  # what this class is for


def test_coupled_decay_is_torchs():
    """optax.add_decayed_weights in front of Adam, biases included, after clipping."""
    transform = optax.chain(optax.clip_by_global_norm(0.5), optax.add_decayed_weights(0.1), optax.adam(RATE, eps=1e-12))
    ours = adam.ObservedAdam(RATE, epsilon=1e-12, coupled_decay=0.1, global_clipnorm=0.5)
    same(follow(ours), follow_optax(transform), rtol=1e-3)
    adapter = from_optax.OptaxOptimizer(RATE, "adam", {"eps": 1e-12}, coupled_decay=0.1, global_clipnorm=0.5)
    same(follow(adapter), follow_optax(transform))


@pytest.mark.parametrize("kind", [others.ObservedSGD, adam.ObservedAdam, adam.PaperAMSGrad])
def test_rate_factors_multiply_the_rate_of_a_block(kind):
    """optax.multi_transform with two rates; the decay goes with them."""
    settings = {"amsgrad": True} if kind is adam.PaperAMSGrad else {}
    factors = {"conv1": 0.1}
    ours = follow(kind(RATE, rate_factors=factors, weight_decay=0.2, **settings))
    for block, rate in (("conv1", RATE * 0.1), ("fire2_squeeze1x1", RATE)):
        alone = follow(kind(rate, weight_decay=0.2, **settings))
        for name in SHAPES:
            if name.startswith(block):
                np.testing.assert_allclose(ours[name], alone[name], rtol=1e-6)


RULES_OF_OPTAX = ("adabelief", "adan", "lamb", "novograd", "prodigy", "adamax", "lion", "rmsprop", "yogi", "adafactor")


@pytest.mark.parametrize("rule", RULES_OF_OPTAX)
def test_the_adapter_equals_the_rule_itself(rule):
    make = from_optax.function(rule)
    schedule = RATE if rule in ("prodigy", "adafactor") else falling
    ours = follow(from_optax.OptaxOptimizer(RATE if schedule is RATE else Falling(), rule))
    if schedule is falling:  # optax' own adabelief and so on, at the rate of each step
        same(ours, follow_optax(make(learning_rate=falling)))
    else:
        same(ours, follow_optax(make(learning_rate=RATE)))


@pytest.mark.filterwarnings("ignore")
def test_every_rule_that_optax_lists_works_or_is_refused_in_a_line():
    works = 0
    for rule in from_optax.names():
        try:
            follow(from_optax.OptaxOptimizer(RATE, rule), 2)
            works += 1
        except UserError as error:
            assert "\n" not in str(error)
    assert works >= 25


def test_the_adapter_is_saved_and_restored(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile(from_optax.OptaxOptimizer(Falling(), "adan", {"b1": 0.97}), "mse")
    x, y = np.ones((4, 2), "float32"), np.ones((4, 3), "float32")
    model.fit(x, y, verbose=0, epochs=3)
    model.save(tmp_path / "x.keras")
    other = keras.models.load_model(tmp_path / "x.keras")
    assert other.optimizer.options == {"b1": 0.97}
    for one in (model, other):
        one.fit(x, y, verbose=0, epochs=2)
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("rule", "options", "said"),
    [
        ("nothing", {}, "unknown rule of optax 'nothing'"),
        ("adan", {"beta": 1}, "unknown option of optax:adan 'beta'"),
        ("lbfgs", {}, "cannot be used here"),
    ],
)
def test_what_cannot_be_used_is_refused(rule, options, said):
    with pytest.raises(UserError, match=said):
        follow(from_optax.OptaxOptimizer(RATE, rule, options), 1)


@pytest.mark.parametrize("name", [*OPTIMIZERS, "optax:adabelief"])
def test_every_name_builds_and_is_observed(name):
    experiment = Experiment(name="x", about="", dataset="digits", optimizer=name, clip_norm=0.0)
    optimizer = registry.build(experiment, 10)
    assert isinstance(optimizer, observed.Observed)
    follow(optimizer)
    seen = optimizer.end_epoch()
    norms = [
        np.linalg.norm(np.concatenate([value.ravel() for value in tree(step + 1).values()])) for step in range(STEPS)
    ]
    assert optimizer.blocks == ("conv1", "fire2", "all")
    assert seen["gradient_norm"][-1] == pytest.approx(np.mean(norms), rel=1e-5)
    assert (seen["update_ratio"] > 0).all()


def test_a_changed_rule_brings_the_rate_in_proportion():
    experiment = Experiment(name="x", about="", dataset="digits", learning_rate=2e-4)
    assert experiment.override(optimizer="amsgrad").learning_rate == 2e-4
    assert experiment.override(optimizer="momentum").learning_rate == 2e-3
    assert experiment.override(optimizer="lion").learning_rate == 2e-5
    assert experiment.override(optimizer="lion", learning_rate=0.5).learning_rate == 0.5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("beta_1", "is no list of options"),
        ("beta_1=0.9,beta_1=0.8", "is no list of options"),
        ("beta=0.9", "unknown option of adam 'beta'"),
        ("amsgrad=true", "unknown option of adam 'amsgrad'"),
    ],
)
def test_options_that_a_rule_does_not_take_are_refused(options, said):
    with pytest.raises(UserError, match=said):
        optimizers.check(Experiment(name="x", about="", dataset="digits", optimizer_options=options))


def test_options_reach_the_rule():
    experiment = Experiment(name="x", about="", dataset="digits", optimizer_options="beta_1=0.8, epsilon=1e-3")
    assert (registry.build(experiment, 1).beta_1, registry.build(experiment, 1).epsilon) == (0.8, 1e-3)
