"""Wrote what lies here: results and networks as the first published version (07bc03a) left them.

PYTHONPATH=CHECKOUT_OF_THAT_VERSION python make.py tests/references/earlier
"""

import shutil
import sys
from pathlib import Path

import kerasqueeze  # isort: skip  (chooses the backend)
import keras
import numpy as np
from kerasqueeze.training.adam import CorrectedAMSGrad  # where it was then

from kerasqueeze.data.augment import RandomColour, RandomCropFlip, RandomErase
from kerasqueeze.models.fast.by_layer import ByLayerModel
from kerasqueeze.models.fast.network import LoweredModel
from kerasqueeze.models.layers import CaffePreprocessing, CeilMaxPooling2D, HeUniform
from kerasqueeze.training import losses, runner
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.metrics import ConfusionMetrics

SETTINGS = {"dataset": "digits", "image_size": 32, "limit": 12, "batch_size": 24, "epochs": 2, "learning_rate": 1e-3}


def network(kind):
    """Return a small network of every layer of this package."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((32, 32, 3), name="pixels")
    x = RandomErase(0.3, seed=3)(RandomColour(0.2, seed=2)(RandomCropFlip((0.5, 1.0), True, 24, seed=1)(pixels)))
    x = CaffePreprocessing(name="preprocessing")(x)
    x = keras.layers.Conv2D(8, 3, 2, activation="relu", kernel_initializer=HeUniform(), name="conv1")(x)
    x = CeilMaxPooling2D(name="pool1")(x)
    x = kerasqueeze.fire_module(x, 2, 2, 4, name="fire2") if kind is LoweredModel else x
    x = keras.layers.Conv2D(4, 1, name="conv10")(x)
    return kind(pixels, keras.layers.GlobalAveragePooling2D(name="pool10")(x))


def main():
    out = Path(sys.argv[1])
    for optimizer in ("adam", "amsgrad"):
        experiment = Experiment(name=f"tiny_{optimizer}", about="", optimizer=optimizer, **SETTINGS)
        runner.run(experiment, [0], out=out)
    shutil.rmtree(out / "models")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype("float32")
    scores = {}
    for kind in (LoweredModel, ByLayerModel):
        model = network(kind)
        if kind is ByLayerModel:  # as a user may have compiled it
            optimizer = CorrectedAMSGrad(1e-3, amsgrad=True)
            model.compile(optimizer, losses.build(0.1), metrics=[ConfusionMetrics(4)])
            model.fit(pixels, np.arange(5) % 4, verbose=0)
        scores[kind.__name__] = model.predict(pixels, verbose=0)
        model.save(out / f"{kind.__name__}.keras")
    np.savez(out / "scores.npz", **scores)


main()
