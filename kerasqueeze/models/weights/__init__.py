"""Everything that reads, fetches, ports and checks weights."""

from kerasqueeze.models.weights.reading import Weights, assign, read_weights

__all__ = ["Weights", "assign", "read_weights"]
