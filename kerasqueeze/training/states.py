"""The saved states of a training that can be stopped: written whole, found again, checked."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kerasqueeze import progress
from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file

KEPT = 2
Position = tuple[int, int]
"""Epochs that are done, and steps of the next one."""


class States:
    """The saved states of one run, `<folder>/<epoch>-<step>.npz`: the newest whole one counts, the last two are kept.

    Args:
        folder: Where they lie; nothing else may.
        made_from: What a state has to fit: settings, data, code, numerics. Compared for equality after a trip through
            JSON.
    """

    def __init__(self, folder: Path, made_from: dict[str, Any]):
        self.folder = folder
        self.made_from = json.loads(json.dumps(made_from))

    def write(self, position: Position, arrays: list[np.ndarray], plain: dict[str, Any]) -> None:
        """Save a state, whole or not at all, and drop all but the last two."""
        told = json.dumps({"made_from": self.made_from, "position": position, **plain})
        named = {f"a{number:04}": array for number, array in enumerate(arrays)}
        with whole_file(self.folder / f"{position[0]:04}-{position[1]:06}.npz") as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, told=np.array(told), **named)  # pyright: ignore[reportArgumentType]
        for old in self._paths()[:-KEPT]:
            old.unlink(missing_ok=True)

    def newest(self) -> tuple[list[np.ndarray], dict[str, Any]] | None:
        """Return the arrays and the rest of the newest state that can be read; None if there is none.

        Raises:
            UserError: It was made from other settings, data or code.
        """
        for path in reversed(self._paths()):
            try:
                with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                    told = json.loads(str(file["told"]))
                    arrays = [file[name] for name in sorted(file.files) if name != "told"]
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                progress.warn(f"{path} is damaged; the state before it is used")
                continue
            different = [key for key, value in self.made_from.items() if told["made_from"].get(key) != value]
            if different:
                raise UserError(
                    f"{path} is a run that was stopped, made from other {' and '.join(different)}; go on with it as it "
                    "was begun, or start over with --fresh"
                )
            return arrays, told
        return None

    def drop(self) -> None:
        """Remove all states, and the folder."""
        for path in self._paths():
            path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.npz"))
