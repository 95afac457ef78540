"""The tables of an experiment: its history, its predictions for the test photos, its log of blocks of layers."""

from __future__ import annotations  # pandas is not loaded yet

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file
from kerasqueeze.history import tables
from kerasqueeze.history.paths import COLUMNS, LAYER_COLUMNS, PREDICTION_COLUMNS
from kerasqueeze.locks import locked
from kerasqueeze.startup import imports

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = imports.lazily("pandas")


WHOLE = PREDICTION_COLUMNS[:4]
PROBABILITIES = PREDICTION_COLUMNS[4:]


def read_predictions(path: Path) -> pd.DataFrame:
    """Read the predictions for the test photos.

    Returns:
        Columns `PREDICTION_COLUMNS`: a row for each seed and photo, sorted by them; `photo` counts the test photos from
        0. The probabilities are NaN where an earlier version wrote none.

    Raises:
        UserError: If the file is missing or is not such a file.
    """
    name = Path(path).stem.removesuffix("_predictions")
    if not Path(path).is_file():
        raise UserError(
            f"no predictions at {path}; run the experiment anew: python scripts/run.py --exp {name} --fresh"
        )
    added: dict[str, float] = dict.fromkeys(PROBABILITIES, np.nan)
    frame = tables.read(path, "run the experiment anew, with --fresh", PREDICTION_COLUMNS, WHOLE, added=added)
    if frame.duplicated(["seed", "photo"]).any():
        raise UserError(f"{path} holds a photo of one seed twice; run the experiment anew, with --fresh")
    return frame.sort_values(["seed", "photo"], ignore_index=True)


def write_predictions(
    path: Path,
    seed: int,
    labels: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray | None = None,
    calibrated: np.ndarray | None = None,
) -> None:
    """Write the predictions of one seed beside those of the others.

    Args:
        path: The CSV file.
        seed: The seed.
        labels: True classes (N,).
        predicted: Predicted classes (N,).
        confidence: Probabilities of the predicted classes (N,), if they are known.
        calibrated: The same at the fitted temperature.
    """
    known = {"confidence": confidence, "calibrated": calibrated}
    shares = {name: np.nan if found is None else np.asarray(found, float).round(6) for name, found in known.items()}
    rows = pd.DataFrame({"seed": seed, "photo": np.arange(len(labels)), "label": labels, "predicted": predicted})
    rows = rows.astype(int).assign(**shares)
    with locked(path):
        if path.exists():
            earlier = read_predictions(path)
            rows = pd.concat([earlier[earlier["seed"] != seed], rows], ignore_index=True)
        with whole_file(path) as part:
            rows.sort_values(["seed", "photo"]).to_csv(part, index=False, lineterminator="\n")


def read_csv(path: Path) -> pd.DataFrame:
    """Read a history and check that it has the schema.

    Returns:
        The rows, sorted by seed and epoch, with the columns `COLUMNS`.

    Raises:
        UserError: If the file is missing, is not a history, or holds a seed and epoch twice.
    """
    if not Path(path).is_file():
        raise UserError(
            f"no history at {path}; run the experiment first: python scripts/run.py --exp {Path(path).stem}"
        )
    frame = tables.read(
        path, "move it away and run the experiment again", COLUMNS, whole=("seed", "epoch", "phase"), added={"phase": 1}
    )
    if frame.duplicated(["seed", "epoch"]).any():
        raise UserError(f"{path} holds an epoch of one seed twice; move it away and run the experiment again")
    return frame.sort_values(["seed", "epoch"], ignore_index=True)


def no_rows() -> pd.DataFrame:
    """Return a history without rows, that of an experiment which trains nothing."""
    return pd.DataFrame(columns=pd.Index(COLUMNS), dtype=float)


def replace_rows(path: Path, seed: int, rows: list[dict[str, float]]) -> None:
    """Write the rows of one seed beside those of the others; a row an epoch, with the columns `COLUMNS`."""
    frame = pd.DataFrame(rows) if rows else no_rows()
    with locked(path):
        if path.exists():  # read anew each time: another process may be at work on another seed
            earlier = read_csv(path)
            others = earlier[earlier["seed"] != seed]
            frame = pd.concat([others, frame], ignore_index=True) if rows else others
        write_csv(path, frame)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write the rows of a history, sorted by seed and epoch, whole or not at all."""
    ordered = frame.loc[:, list(COLUMNS)].astype({"seed": int, "epoch": int, "phase": int})
    with whole_file(path) as part:
        ordered.sort_values(["seed", "epoch"]).to_csv(part, index=False, lineterminator="\n")


def read_layers(path: Path) -> pd.DataFrame:
    """Read a log of blocks of layers and check that it has the schema.

    Returns:
        The rows as they are written, blocks front to back, with the columns `LAYER_COLUMNS`.

    Raises:
        UserError: If the file is missing or is not such a log.
    """
    remedy = "move it away and run the experiment again"
    if not Path(path).is_file():
        raise UserError(f"no log of layers at {path}; run the experiment first: python scripts/run.py --exp NAME")
    return tables.read(path, remedy, LAYER_COLUMNS, whole=("seed", "epoch"), text=("block",))


def replace_layers(path: Path, seed: int, epoch: int, columns: dict[str, Any]) -> None:
    """Write what one epoch of one seed was like; rows of other seeds and of this seed's earlier epochs are kept.

    Args:
        path: The CSV file.
        seed: The seed.
        epoch: The epoch, counted from 1.
        columns: The other columns of `LAYER_COLUMNS`, a value for each block.
    """
    frame = pd.DataFrame({"seed": seed, "epoch": epoch, **columns})
    with locked(path):
        if path.exists():  # read anew each time: another process may be at work on another seed
            earlier = read_layers(path)
            kept = earlier[(earlier["seed"] != seed) | (earlier["epoch"] < epoch)]
            frame = pd.concat([kept, frame], ignore_index=True) if len(kept) else frame
        write_layers(path, frame)


def write_layers(path: Path, frame: pd.DataFrame) -> None:
    """Write a log of blocks of layers by seed and epoch, blocks in the order given, whole or not at all."""
    ordered = frame.loc[:, list(LAYER_COLUMNS)].astype({"seed": int, "epoch": int})
    with whole_file(path) as part:
        ordered.sort_values(["seed", "epoch"], kind="stable").to_csv(part, index=False, lineterminator="\n")
