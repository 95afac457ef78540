"""The study that a network came from, as its results folder tells: CSV/summary.csv and PNG/*.png."""

import csv
from dataclasses import dataclass
from pathlib import Path

SUMMARY = Path("CSV", "summary.csv")
MAX_BYTES, MAX_ROWS, MAX_PICTURES = 2**20, 200, 60
_SCORES = ("accuracy", "top5", "precision", "recall")
_TITLES = {
    "experiment": "Experiment",
    "accuracy": "Accuracy",
    "top5": "Top 5",
    "precision": "Precision",
    "recall": "Recall",
    "model": "Network",
    "initialisation": "Weights",
    "optimizer": "Optimizer",
    "image_size": "Pixels",
    "seeds": "Seeds",
    "epochs": "Epochs",
    "test_photos": "Test photos",
}
"""The columns that are shown, with their titles."""


@dataclass(frozen=True)
class Table:
    """A table to show.

    Attributes:
        titles: Of the columns.
        rows: Their texts; the first of each row names it.
    """

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A picture to show.

    Attributes:
        path: Its file.
        name: The file's name without suffix.
        title: The same for people.
    """

    path: Path
    name: str
    title: str


def table(folder: Path) -> Table | None:
    """Return the study's table; None if there is none, or it is none."""
    path = folder / SUMMARY
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        with path.open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))[:MAX_ROWS]
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    columns = [name for name in _TITLES if found and name in found[0]]
    if "experiment" not in columns:
        return None
    rows = tuple(tuple(_cell(row, name) for name in columns) for row in found)
    return Table(tuple(_TITLES[name] for name in columns), rows)


def pictures(folder: Path) -> list[Picture]:
    """Return the study's pictures by name; links that lead elsewhere are left out."""
    try:
        home = (folder / "PNG").resolve()
        found = sorted(path for path in home.glob("*.png") if path.is_file() and path.resolve().parent == home)
    except OSError:
        return []
    return [Picture(path, path.stem, _title(path.stem)) for path in found[:MAX_PICTURES]]


def _title(stem: str) -> str:
    title = stem.replace("_combined", "").replace("_VS_", " against ").replace("_", " ")
    return title[:1].upper() + title[1:]


def _cell(row: dict[str, str | None], name: str) -> str:
    text = row.get(name) or ""
    if name not in _SCORES:
        return text.replace("_", " ") if name == "initialisation" else text
    value, low, high = (_number(row.get(key)) for key in (name, f"{name}_low", f"{name}_high"))
    return f"{value} [{low}, {high}]" if value and low and high else value


def _number(text: str | None) -> str:
    try:
        return f"{float(text or ''):.3f}"
    except ValueError:
        return ""
