"""The one format of a result: `CSV/<experiment>.csv`, a row per seed and epoch, and `CSV/<experiment>.json` beside it.

Losses are cross-entropies in nats; accuracy, top-5, precision and recall are shares from 0 to 1, precision and recall
macro-averaged over the classes; `learning_rate` is the schedule at the epoch's end; `seconds` is the whole epoch,
`images_per_second` its training part alone. `_train` values are running means over the epoch, augmentation and dropout
on; `_val` values come from the validation photos after it.

`CSV/<experiment>_layers.csv` says what the optimizer did to each block of layers, a row per seed, epoch and block, by
the names and meanings of `kerasqueeze.training.adam.ObservedAdam.end_epoch`.
"""

from __future__ import annotations  # pandas is not loaded yet

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file, write_text
from kerasqueeze.locks import locked
from kerasqueeze.startup import imports

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = imports.lazily("pandas")

VAL_METRICS = ("loss_val", "accuracy_val", "top5_val", "precision_val", "recall_val")
COLUMNS = (
    "seed",
    "epoch",
    "loss_train",
    "accuracy_train",
    *VAL_METRICS,
    "learning_rate",
    "seconds",
    "images_per_second",
)
PREDICTION_COLUMNS = ("seed", "photo", "label", "predicted")
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


def read_predictions(path: Path) -> pd.DataFrame:
    """Read the predictions for the test photos.

    Returns:
        Columns `PREDICTION_COLUMNS`, whole numbers: a row for each seed and photo, sorted by them; `photo` counts the
        test photos from 0.

    Raises:
        UserError: If the file is missing or is not such a file.
    """
    name = Path(path).stem.removesuffix("_predictions")
    if not Path(path).is_file():
        raise UserError(
            f"no predictions at {path}; run the experiment anew: python scripts/run.py --exp {name} --fresh"
        )
    frame = _table(path, "run the experiment anew, with --fresh")
    whole = all(pd.api.types.is_integer_dtype(kind) for kind in frame.dtypes)
    if tuple(frame.columns) != PREDICTION_COLUMNS or not (whole or frame.empty):
        raise UserError(
            f"{path} does not hold whole numbers in the columns {', '.join(PREDICTION_COLUMNS)}; run the experiment "
            "anew, with --fresh"
        )
    if frame.duplicated(["seed", "photo"]).any():
        raise UserError(f"{path} holds a photo of one seed twice; run the experiment anew, with --fresh")
    return frame.sort_values(["seed", "photo"], ignore_index=True)


def write_predictions(path: Path, seed: int, labels: np.ndarray, predicted: np.ndarray) -> None:
    """Write the predictions of one seed beside those of the others: true and predicted classes, (N,) each."""
    rows = pd.DataFrame({"seed": seed, "photo": np.arange(len(labels)), "label": labels, "predicted": predicted})
    with locked(path):
        if path.exists():
            earlier = read_predictions(path)
            rows = pd.concat([earlier[earlier["seed"] != seed], rows], ignore_index=True)
        with whole_file(path) as part:
            rows.astype(int).sort_values(["seed", "photo"]).to_csv(part, index=False, lineterminator="\n")


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
    frame = _table(path, "move it away and run the experiment again")
    if tuple(frame.columns) != COLUMNS:
        raise UserError(
            f"{path} has the columns {', '.join(map(str, frame.columns))}; expected {', '.join(COLUMNS)}; "
            "move it away and run the experiment again"
        )
    if len(frame) and not all(pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes):
        raise UserError(f"{path} holds text where numbers belong; move it away and run the experiment again")
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
    ordered = frame.loc[:, list(COLUMNS)].astype({"seed": int, "epoch": int})
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
    frame = _table(path, remedy)
    if tuple(frame.columns) != LAYER_COLUMNS:
        found, expected = ", ".join(map(str, frame.columns)), ", ".join(LAYER_COLUMNS)
        raise UserError(f"{path} has the columns {found}; expected {expected}; {remedy}")
    return frame


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


def read_json(path: Path) -> dict[str, Any]:
    """Read the record of an experiment.

    Raises:
        UserError: If the file is missing or is not such a record.
    """
    if not Path(path).is_file():
        raise UserError(f"no record at {path}; run the experiment first: python scripts/run.py --exp {Path(path).stem}")
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); move it away and run the experiment again") from None
    if not isinstance(record, dict) or not {"experiment", "data", "runs"} <= record.keys():
        raise UserError(f"{path} is not the record of an experiment; move it away and run the experiment again")
    return record


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write the record of an experiment as strict JSON, whole or not at all; what is not finite becomes null."""
    write_text(path, json.dumps(_finite(record), indent=2, allow_nan=False) + "\n")


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
    for name, column in rows.drop(columns="seed").items():
        found.update(f"{name}\n".encode())
        if pd.api.types.is_numeric_dtype(column.dtype):
            with np.errstate(over="ignore"):  # infinite in float32 as well
                values = column.to_numpy("float64").astype("<f4")
            found.update(np.where(np.isnan(values), np.float32(np.nan), values + 0).astype("<f4").tobytes())
        else:
            found.update("\n".join(map(str, column)).encode())
    return found.hexdigest()[:16]


def _table(path: Path, remedy: str) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a CSV file ({error}); {remedy}") from None


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_FILES = {
    "history": (csv_path, read_csv),
    "layers": (layers_path, read_layers),
    "predictions": (predictions_path, read_predictions),
}
"""The files with rows of each seed, by the names that records use: where they lie and what reads them."""
