"""The log of blocks of layers: what it holds, and that resumes and other seeds lose nothing."""

import keras
import numpy as np
import pytest

from kerasqueeze import history
from kerasqueeze.errors import UserError
from kerasqueeze.models.fast.microbatch import MicroBatchModel
from kerasqueeze.training.callbacks import LayersWriter
from kerasqueeze.training.optimizers import adam

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 6)).astype("float32"), RNG.integers(0, 3, 32)


def network(optimizer=None, kind=keras.Model):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(5, activation="relu", name="fire2_dense")(inputs)
    frozen = keras.layers.Dense(5, activation="relu", name="fire3_dense", trainable=False)(hidden)
    model = kind(inputs, keras.layers.Dense(3, name="conv10")(frozen))
    optimizer = optimizer or adam.ObservedAdam(0.01, amsgrad=True, global_clipnorm=0.1)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=True)
    return model


def fit(model, path, seed, epochs, initial_epoch=0):
    model.fit(
        X,
        Y,
        batch_size=16,
        epochs=epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=0,
        validation_data=(X, Y),
        callbacks=[LayersWriter(path, seed)],
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two epochs of seed 0, then of seed 1, then epoch 2 of seed 0 again, as after a resume."""
    path = tmp_path_factory.mktemp("CSV") / "x_layers.csv"
    model = network()
    fit(model, path, 0, 2)
    first = path.read_text()
    fit(network(), path, 1, 2)
    both = path.read_text()
    fit(model, path, 0, 2, initial_epoch=1)
    return first, both, history.read_layers(path)


def test_rows_have_the_schema(written, tmp_path):
    first, _, _ = written
    path = tmp_path / "x.csv"
    path.write_text(first)
    rows = history.read_layers(path)
    assert first.startswith("seed,epoch,block,gradient_norm,update_ratio,weight_norm,maximum_binds,rate_ratio\n")
    assert rows["block"].tolist() == ["fire2", "conv10", "all"] * 2  # the frozen layer is in no block
    assert rows["epoch"].tolist() == [1, 1, 1, 2, 2, 2]
    assert np.isfinite(rows.drop(columns="block").to_numpy(float)).all()
    assert (rows[["gradient_norm", "update_ratio", "weight_norm", "rate_ratio"]] > 0).all(axis=None)


def test_a_resume_replaces_its_own_epochs_alone(written):
    first, both, rows = written
    assert both.startswith(first)
    assert rows[["seed", "epoch"]].drop_duplicates().to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert len(rows) == 12
    lines = both.splitlines()
    kept = rows[(rows["seed"] == 1) | (rows["epoch"] == 1)].to_csv(index=False, lineterminator="\n").splitlines()
    assert kept == lines[:4] + lines[7:]
    new = rows[(rows["seed"] == 0) & (rows["epoch"] == 2)].to_csv(index=False, lineterminator="\n").splitlines()
    assert set(new[1:]).isdisjoint(lines)


def test_gradient_norms_are_those_of_the_epochs_batches(tmp_path):
    """Against gradients by central differences of the loss; with a rate this small the weights stand still."""
    path = tmp_path / "x.csv"
    model = network(adam.ObservedAdam(1e-12))
    fit(model, path, 0, 1)
    row = history.read_layers(path).set_index("block").loc["conv10"]
    assert np.isnan(row["maximum_binds"]) and np.isnan(row["rate_ratio"])
    kernel, bias = model.get_layer("conv10").get_weights()
    features = np.asarray(keras.Model(model.input, model.get_layer("fire3_dense").output)(X), float)

    def loss(values, batch):
        logits = features[batch] @ values[: kernel.size].reshape(kernel.shape) + values[kernel.size :]
        logits = logits - logits.max(1, keepdims=True)
        return -(logits[np.arange(16), Y[batch]] - np.log(np.exp(logits).sum(1))).mean()

    weights, norms = np.concatenate([kernel.ravel(), bias]).astype(float), []
    for batch in (slice(0, 16), slice(16, 32)):
        steps = 1e-5 * np.eye(len(weights))
        norms.append(np.linalg.norm([(loss(weights + h, batch) - loss(weights - h, batch)) / 2e-5 for h in steps]))
    assert row["gradient_norm"] == pytest.approx(np.mean(norms), rel=1e-3)
    assert row["weight_norm"] == pytest.approx(np.linalg.norm(weights), rel=1e-5)


def test_the_step_in_pieces_is_seen_alike(tmp_path):
    for name, kind in (("plain", keras.Model), ("pieces", MicroBatchModel)):
        fit(network(kind=kind), tmp_path / f"{name}.csv", 0, 1)
    plain, pieces = (history.read_layers(tmp_path / f"{name}.csv") for name in ("plain", "pieces"))
    columns = list(history.LAYER_COLUMNS[3:])
    np.testing.assert_allclose(pieces[columns].to_numpy(), plain[columns].to_numpy(), rtol=1e-3)


def test_a_file_of_another_make_is_refused_before_training(tmp_path):
    path = tmp_path / "x_layers.csv"
    path.write_text("epoch,loss\n1,2\n")
    with pytest.raises(UserError, match="has the columns epoch, loss; expected seed, epoch, block"):
        fit(network(), path, 0, 1)
    assert path.read_text() == "epoch,loss\n1,2\n"


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no log of layers at .*x_layers\.csv; run the experiment first"):
        history.read_layers(tmp_path / "x_layers.csv")
    (tmp_path / "x_layers.csv").write_text("")
    with pytest.raises(UserError, match="is not a CSV file"):
        history.read_layers(tmp_path / "x_layers.csv")
