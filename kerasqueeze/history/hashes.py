"""Hashes of what the tables hold of each seed, so that a change after the run is noticed."""

from __future__ import annotations  # pandas is not loaded yet

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasqueeze.errors import UserError
from kerasqueeze.history.paths import csv_path, layers_path, predictions_path
from kerasqueeze.history.rows import PROBABILITIES, read_csv, read_layers, read_predictions
from kerasqueeze.startup import imports

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = imports.lazily("pandas")

_FILES = {
    "history": (csv_path, read_csv),
    "layers": (layers_path, read_layers),
    "predictions": (predictions_path, read_predictions),
}
"""The files with rows of each seed, by the names that records use: where they lie and what reads them."""


def hash_rows(out: Path, experiment: str, seeds: Iterable[int]) -> dict[int, dict[str, str]]:
    """Hash what the experiment's files hold of each seed: by seed, the kinds of files that exist, a hash each.

    Values are hashed as float32, which is what the losses and shares were measured in: a program that saves a file
    anew with other line ends, `1.0` for `1` or fifteen digits for seventeen changes no hash.
    """
    files = {kind: (path(out, experiment), read) for kind, (path, read) in _FILES.items()}
    frames = {kind: read(path) for kind, (path, read) in files.items() if path.exists()}
    return {seed: {kind: _hash(rows[rows["seed"] == seed]) for kind, rows in frames.items()} for seed in seeds}


def check_rows(out: Path, experiment: str, runs: dict[str, dict[str, Any]]) -> None:
    """Refuse files that were changed after a run of the record was finished.

    Args:
        out: Folder that `CSV/` lies in.
        experiment: Its name.
        runs: The runs of its record by seed; those recorded before there were hashes pass.

    Raises:
        UserError: One line that names the file and the seed.
    """
    recorded = {int(seed): run["rows"] for seed, run in runs.items() if run.get("rows")}
    for seed, found in hash_rows(out, experiment, recorded).items() if recorded else ():
        for kind, value in found.items():
            if recorded[seed].get(kind, value) != value:
                raise UserError(
                    f"{_FILES[kind][0](out, experiment)} was changed after seed {seed} was run: its rows are not those "
                    f"recorded; bring the file back, or run the experiment anew: --exp {experiment} --fresh"
                )


def _hash(rows: pd.DataFrame) -> str:
    found = hashlib.sha256()
    plain = "phase" in rows and (rows["phase"] == 1).all()  # as all were before there were phases
    lacking = [name for name in PROBABILITIES if name in rows and rows[name].isna().all()]  # as before they were kept
    for name, column in rows.drop(columns=["seed", *lacking, *(["phase"] if plain else [])]).items():
        found.update(f"{name}\n".encode())
        if pd.api.types.is_numeric_dtype(column.dtype):
            with np.errstate(over="ignore"):  # infinite in float32 as well
                values = column.to_numpy("float64").astype("<f4")
            found.update(np.where(np.isnan(values), np.float32(np.nan), values + 0).astype("<f4").tobytes())
        else:
            found.update("\n".join(map(str, column)).encode())
    return found.hexdigest()[:16]
