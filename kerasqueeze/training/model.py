"""The model that is trained: augmentation, network, optimizer, loss and metrics, put together."""

from collections.abc import Mapping

import keras
import numpy as np

from kerasqueeze.data import datasets
from kerasqueeze.data.augment import Enlarge, RandomColour, RandomCropFlip, RandomErase
from kerasqueeze.models import backbones, stages
from kerasqueeze.models.fast.microbatch import MicroBatchModel
from kerasqueeze.models.imagenet_classes import imagenet_numbers
from kerasqueeze.training import losses, optimizers, phases
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.metrics import ConfusionMetrics


def training_model(experiment: Experiment, data: datasets.DataSet, seed: int) -> tuple[MicroBatchModel, keras.Model]:
    """Build the model that is trained, augmentation in front of the network, and compile it for its first phase.

    Args:
        experiment: The settings.
        data: The photos; its sizes decide the head and the schedule.
        seed: Fixes the initial weights, dropout and augmentation.

    Returns:
        The compiled model, uint8 pixels (N, S, S, 3) to logits (N, C), and the network inside it, which is what is
        saved; with a `crop_size` it takes images of any size.
    """
    keras.utils.set_random_seed(seed)
    network = backbones.build(
        experiment.model,
        classes=len(data.class_names),
        image_size=experiment.network_size if experiment.crop_size is None else None,
        weights=initial_weights(experiment),
        width=experiment.width,
        dropout=experiment.dropout,
        head=imagenet_numbers(data.class_names) if experiment.head == "imagenet_slice" else None,
    )
    pixels = keras.Input((experiment.image_size, experiment.image_size, 3), dtype="uint8", name="pixels")
    x = pixels
    if experiment.enlarge is not None:
        x = Enlarge(experiment.enlarge, name="enlarge")(x)
    x = RandomCropFlip((experiment.crop_area, 1.0), experiment.flip, experiment.crop_size, seed)(x)
    others = [int(state) for state in np.random.SeedSequence(seed).generate_state(2)]  # else they would draw the same
    if experiment.colour:
        x = RandomColour(experiment.colour, others[0])(x)
    if experiment.erase:
        x = RandomErase(experiment.erase, others[1])(x)
    model = MicroBatchModel(pixels, network(x), name=f"{experiment.name}_training")
    factors = stages.rate_factors(network, experiment.rate_factors)
    for later in reversed(phases.of(experiment)):  # refuses what is no stage; the first phase's stages are left free
        stages.free(network, later.free)
    compile_for(model, phases.of(experiment)[0].settings, data, factors)
    return model, network


def compile_for(
    model: keras.Model,
    settings: Experiment,
    data: datasets.DataSet,
    rate_factors: Mapping[str, float] | None = None,
    steps_before: int = 0,
) -> None:
    """Compile a model for one phase: what is trainable is settled.

    Args:
        model: The training model, or the part of the network that trains on kept features.
        settings: Of the phase.
        data: The photos.
        rate_factors: By stage, see `optimizers.build`.
        steps_before: Steps that the optimizer has taken in an earlier phase.
    """
    model.compile(
        optimizer=optimizers.build(settings, len(data.train) // settings.batch_size, rate_factors, steps_before),
        loss=losses.build(settings.label_smoothing),
        metrics=[ConfusionMetrics(len(data.class_names))],
        jit_compile=True,
    )
    # Keras would trace the whole network to learn the shape of its output, which is known.
    labels, logits = (keras.KerasTensor((settings.batch_size, *rest)) for rest in ((), (len(data.class_names),)))
    for part in (model._compile_metrics, model._compile_loss):
        part.build(labels, logits)


def initial_weights(experiment: Experiment) -> str | None:
    """Return the weights that the network begins with, as `backbones.build` takes them."""
    return None if experiment.weights == "none" else experiment.weights
