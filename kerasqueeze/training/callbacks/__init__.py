"""The callbacks of `fit`, one file each."""

from kerasqueeze.training.callbacks.averaged_weights import AveragedWeights
from kerasqueeze.training.callbacks.history_writer import HistoryWriter
from kerasqueeze.training.callbacks.layers_writer import LayersWriter
from kerasqueeze.training.callbacks.never_started import NeverStarted
from kerasqueeze.training.callbacks.overfitting import StopAtOverfitting
from kerasqueeze.training.callbacks.progress import Progress

__all__ = ["AveragedWeights", "HistoryWriter", "LayersWriter", "NeverStarted", "Progress", "StopAtOverfitting"]
