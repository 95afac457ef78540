"""Out-folders as runs leave them, made up in milliseconds: nothing is trained."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, precision_score, recall_score

from kerasqueeze import history

NAMES = ["n02085620-Chihuahua", "n02085936-Maltese_dog", "n02086240-Shih|Tzu"]


def make(
    out: Path,
    name: str,
    seeds: list[int],
    *,
    accuracy: float = 0.6,
    optimizer: str = "adam",
    weights: str = "none",
    head: str = "fresh",
    epochs: int = 4,
    photos: int = 90,
    names: list[str] = NAMES,
    dataset: str = "digits",
    image_size: int = 32,
    code: str | None = "c0de",
    predictions: bool = True,
    outcome: str = "overfitting",
    **settings: Any,
) -> None:
    """Write CSV, JSON and predictions of an experiment; without `epochs` it is a control that was only scored.

    Runs of one seed and the same weights have the same hashes; without `code` the record is an older one.
    """
    rows, runs, predicted = [], {}, []
    label = np.arange(photos) % len(names)
    for seed in seeds:
        rng = np.random.default_rng([zlib.crc32(name.encode()), seed if epochs else 0])
        guess = np.where(rng.random(photos) < accuracy, label, (label + 1 + rng.integers(2, size=photos)) % len(names))
        predicted.append(pd.DataFrame({"seed": seed, "photo": range(photos), "label": label, "predicted": guess}))
        best = max(1, epochs - 1)
        for epoch in range(1, epochs + 1):
            loss = 1 + 0.1 * abs(epoch - best) + 0.01 * seed
            rows.append(
                dict.fromkeys(history.COLUMNS, 1 / (1 + epoch))
                | {"seed": seed, "epoch": epoch, "phase": 1, "loss_val": loss}
            )
        test = {
            "photos": photos,
            "loss": 1.0,
            "accuracy": float(np.float32(accuracy_score(label, guess))),
            "top5": 1.0,
            "precision": float(np.float32(precision_score(label, guess, average="macro", zero_division=0))),
            "recall": float(np.float32(recall_score(label, guess, average="macro", zero_division=0))),
        }
        runs[str(seed)] = {
            "outcome": outcome if epochs else "not trained",
            "reason": "made up",
            "epochs": epochs,
            "best_epoch": best if epochs else 0,
            "seconds": 10.0,
            "finished": "2026-01-01T00:00:00+00:00",
            "hardware": {"processor": "abacus", "cores": 2, "device": "1 x cpu"},
            "validation": {"loss": 1 + 0.01 * seed, "accuracy": 1 / (1 + best)} if epochs else {"accuracy": accuracy},
            "test": test,
        }
        if code is not None:
            hashes = {"first_batch": f"b{seed}{image_size}", "initial_weights": f"w{seed}{weights}{head}", "code": code}
            runs[str(seed)] |= hashes
    record = {
        "experiment": {
            "name": name.rpartition("/")[2],
            "dataset": dataset,
            "model": "squeezenet1_1",
            "weights": weights,
            "head": head,
            "optimizer": optimizer,
            "image_size": image_size,
            "epochs": epochs,
            "batch_size": 10,
        }
        | settings,
        "data": {
            "name": dataset,
            "fingerprint": f"f{image_size}",
            "classes": len(names),
            "class_names": names,
            "train": 105,
            "validation": 30,
            "test": photos,
        },
        "weights": {"file": weights, "sha256": None},
        "runs": runs,
    }
    history.write_csv(history.csv_path(out, name), pd.DataFrame(rows, columns=list(history.COLUMNS)))
    history.write_json(history.json_path(out, name), record)
    if predictions and seeds:
        pd.concat(predicted).to_csv(history.predictions_path(out, name), index=False)


def edit(path: Path, change: Any) -> None:
    """Change the JSON file at `path` by a function of its contents."""
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def study(out: Path, seeds: tuple[int, ...] = (0, 1, 2), **settings: Any) -> None:
    """Write a control, two fine-tuned arms and one from scratch."""
    dogs = {"dataset": "stanford_dogs", **settings}
    make(out, "zero_training", [0], accuracy=0.5, weights="imagenet", head="imagenet_slice", epochs=0, **dogs)
    make(out, "fine_tuning_adam", list(seeds), accuracy=0.8, weights="imagenet", **dogs)
    make(out, "fine_tuning_amsgrad", list(seeds), accuracy=0.79, weights="imagenet", optimizer="amsgrad", **dogs)
    make(out, "scratch_adam", list(seeds)[:1], accuracy=0.4, **dogs)
