"""The one format of a result: `CSV/<experiment>.csv`, a row per seed and epoch, and `CSV/<experiment>.json` beside it.

Losses are cross-entropies in nats; accuracy, top-5, precision and recall are shares from 0 to 1, precision and recall
macro-averaged over the classes; `learning_rate` is the schedule at the epoch's end; `seconds` is the whole epoch,
`images_per_second` its training part alone. `_train` values are running means over the epoch, augmentation and dropout
on; `_val` values come from the validation photos after it.

`CSV/<experiment>_layers.csv` says what the optimizer did to each block of layers, a row per seed, epoch and block, by
the names and meanings of `kerasqueeze.training.optimizers.observed.Observed.end_epoch`.
"""

from kerasqueeze.history.hashes import check_rows, hash_rows
from kerasqueeze.history.paths import (
    COLUMNS,
    LAYER_COLUMNS,
    PREDICTION_COLUMNS,
    VAL_METRICS,
    csv_path,
    json_path,
    layers_path,
    network_path,
    predictions_path,
)
from kerasqueeze.history.record import read_json, read_others, write_json
from kerasqueeze.history.rows import (
    no_rows,
    read_csv,
    read_layers,
    read_predictions,
    replace_layers,
    replace_rows,
    write_csv,
    write_layers,
    write_predictions,
)

__all__ = [
    "COLUMNS",
    "LAYER_COLUMNS",
    "PREDICTION_COLUMNS",
    "VAL_METRICS",
    "check_rows",
    "csv_path",
    "hash_rows",
    "json_path",
    "layers_path",
    "network_path",
    "no_rows",
    "predictions_path",
    "read_csv",
    "read_json",
    "read_layers",
    "read_others",
    "read_predictions",
    "replace_layers",
    "replace_rows",
    "write_csv",
    "write_json",
    "write_layers",
    "write_predictions",
]
