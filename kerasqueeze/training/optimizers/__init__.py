"""The update rules by name, what they observe, and their schedules."""

from kerasqueeze.training.optimizers.observed import take_over
from kerasqueeze.training.optimizers.registry import build, check
from kerasqueeze.training.optimizers.schedules import Warmup

__all__ = ["Warmup", "build", "check", "take_over"]
