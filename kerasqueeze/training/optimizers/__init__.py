"""The update rules by name, what they observe, and their schedule."""

from kerasqueeze.training.optimizers.registry import build
from kerasqueeze.training.optimizers.schedule import Warmup

__all__ = ["Warmup", "build"]
