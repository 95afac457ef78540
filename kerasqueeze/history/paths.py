"""Where the files of an experiment lie below the folder of results, and the columns of those that are tables."""

from pathlib import Path

VAL_METRICS = ("loss_val", "accuracy_val", "top5_val", "precision_val", "recall_val")
COLUMNS = (
    "seed",
    "epoch",
    "phase",
    "loss_train",
    "accuracy_train",
    *VAL_METRICS,
    "learning_rate",
    "seconds",
    "images_per_second",
)
PREDICTION_COLUMNS = ("seed", "photo", "label", "predicted", "confidence", "calibrated")
"""The last two: the probability of the predicted class, as the network gives it and at the fitted temperature."""
LAYER_COLUMNS = (
    "seed",
    "epoch",
    "block",
    "gradient_norm",
    "update_ratio",
    "weight_norm",
    "maximum_binds",
    "rate_ratio",
)


def csv_path(out: Path, experiment: str) -> Path:
    """Return where the history of `experiment` lies below the folder `out`."""
    return Path(out) / "CSV" / f"{experiment}.csv"


def json_path(out: Path, experiment: str) -> Path:
    """Return where the record of `experiment` lies below the folder `out`."""
    return Path(out) / "CSV" / f"{experiment}.json"


def predictions_path(out: Path, experiment: str) -> Path:
    """Return where the predictions of `experiment` for the test photos lie below the folder `out`."""
    return Path(out) / "CSV" / f"{experiment}_predictions.csv"


def layers_path(out: Path, experiment: str) -> Path:
    """Return where the norms and rates of `experiment`, by block of layers, lie below the folder `out`."""
    return Path(out) / "CSV" / f"{experiment}_layers.csv"


def network_path(out: Path, experiment: str, seed: int) -> Path:
    """Return where the trained network lies below the folder `out`; who holds its lock (`locks`) is at work on it."""
    return Path(out) / "models" / f"{experiment}_seed{seed}.keras"
