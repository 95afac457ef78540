"""CIFAR-10: the head alone, the last stage with it, or everything; 2, 3 and 5 epochs; Adam or momentum."""

from typing import Any

from kerasqueeze.training.experiment import Experiment

EPOCHS = (5, 3, 2)
"""The first is that of the experiments without a number in their names."""
PARTS = {
    "frozen": ("backbone", "the head alone trains"),
    "last_stage": ("all_but_last_stage", "the last stage and the head train"),
    "all": ("none", "all layers train"),
}
_CIFAR10: dict[str, Any] = {
    "dataset": "cifar10",
    "weights": "imagenet",
    "image_size": 32,
    "enlarge": 128,
    "batch_size": 32,
    "warmup_steps": 50,
    "dropout": 0.0,
    "crop_area": 1.0,
    "flip": False,
    "patience": 5,
}
_RATES = {"frozen": 1e-3, "last_stage": 5e-4, "all": 2e-4}


def name(part: str, epochs: int, momentum: bool = False) -> str:
    """Return the name of the experiment of a part of `PARTS`, so many epochs, and an optimizer."""
    return f"cifar10_{part}{'_momentum' if momentum else ''}{'' if epochs == EPOCHS[0] else f'_{epochs}_epochs'}"


def _experiment(part: str, epochs: int, momentum: bool = False) -> Experiment:
    freeze, what = PARTS[part]
    rule = "SGD with momentum 0.9" if momentum else "Adam"
    return Experiment(
        name=name(part, epochs, momentum),
        about=f"""CIFAR-10 from ImageNet's weights with a new head, {what}, {epochs} epochs with {rule}.
        python scripts/run.py --exp {name(part, epochs, momentum)} --data-dir DIR
        The report's table has the results.""",
        optimizer="momentum" if momentum else "adam",
        learning_rate=_RATES[part] * (10 if momentum else 1),
        freeze=freeze,
        epochs=epochs,
        **_CIFAR10,
    )


EXPERIMENTS = (
    *(_experiment(part, epochs) for epochs in EPOCHS for part in PARTS),
    *(_experiment("frozen", epochs, momentum=True) for epochs in EPOCHS),
)
