"""The registry of experiments, one file a study."""

from kerasqueeze.study.experiments.registry import DEFAULT, EXPERIMENTS, get, listing

__all__ = ["DEFAULT", "EXPERIMENTS", "get", "listing"]
