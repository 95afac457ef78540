"""One run: an experiment with one seed, its photos, and where its files go."""

from dataclasses import dataclass
from pathlib import Path

from kerasqueeze import history
from kerasqueeze.data.datasets import DataSet
from kerasqueeze.training.experiment import Experiment
from kerasqueeze.training.feed import Feed


@dataclass(frozen=True)
class Run:
    """One training from initial weights to test scores.

    Attributes:
        experiment: The settings.
        seed: Seed of initial weights, batch order, augmentation and dropout.
        data: The photos.
        feed: How training gets those of the training and validation splits.
        out: Folder that `CSV/` and `models/` lie in.
    """

    experiment: Experiment
    seed: int
    data: DataSet
    feed: Feed
    out: Path

    def __str__(self) -> str:
        return f"{self.experiment.name} seed {self.seed}"

    @property
    def photos_per_epoch(self) -> int:
        """Training photos that an epoch sees: whole batches."""
        return len(self.data.train) // self.experiment.batch_size * self.experiment.batch_size

    @property
    def history_path(self) -> Path:
        """The experiment's history, of all seeds."""
        return history.csv_path(self.out, self.experiment.name)

    @property
    def layers_path(self) -> Path:
        """The experiment's log of blocks of layers, of all seeds."""
        return history.layers_path(self.out, self.experiment.name)

    @property
    def predictions_path(self) -> Path:
        """The experiment's predictions for the test photos, of all seeds."""
        return history.predictions_path(self.out, self.experiment.name)

    @property
    def network_path(self) -> Path:
        """The trained network."""
        return history.network_path(self.out, self.experiment.name, self.seed)

    @property
    def states_path(self) -> Path:
        """The folder of saved states while it trains."""
        return self.network_path.with_name(f"{self.network_path.stem}_states")
