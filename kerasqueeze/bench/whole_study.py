"""How long the whole study takes with Keras' own form of the network, and with the faster one: the same commands twice.

The photos are drawn, in the numbers of Stanford Dogs' training, validation and test photos divided by 20, so that a
form's share of training and scoring is that of the real study. Weights are random: what they are costs no time.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerasqueeze.bench.worker_process import Failed

EXPERIMENTS = ("scratch_adam", "fine_tuning_adam", "fine_tuning_amsgrad")
CLASSES = 12
PHOTOS = {"train": 45, "val": 5, "test": 36}
"""Photos of each class in each part."""
EPOCHS = 2
SIDE = 256


def run(start: Sequence[str], keep: Callable[[dict[str, Any]], None], photos: Mapping[str, int] = PHOTOS) -> None:
    """Time the study once in each form, each in a process of its own, compilation included, decoding left out.

    Args:
        start: Starts a process that runs experiments, without its options.
        keep: Takes each finding, a row of `cost.COLUMNS`: seconds with stock and fast form, and their ratio.
        photos: Photos of each class in each part.

    Raises:
        Failed: A process broke down.
    """
    about = f"{', '.join(EXPERIMENTS)} from prompt to table, {EPOCHS} epochs each, on drawn photos"
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder / "photos", photos)
        _run(start, folder, "decode", "--epochs", "0")
        for lowering in ("stock", "fast"):
            began = time.perf_counter()
            _run(start, folder, lowering, "--epochs", str(EPOCHS), "--lowering", lowering)
            seconds[lowering] = time.perf_counter() - began
            keep(_finding(f"study_{lowering}", seconds[lowering], "s", photos, f"{about}, --lowering {lowering}"))
    keep(_finding("study_ratio", seconds["stock"] / seconds["fast"], "1", photos, "study_stock over study_fast"))


def draw(folder: Path, photos: Mapping[str, int]) -> None:
    """Write a tree of JPEG files of random colours, `folder/<part>/<class>/<number>.jpg`, from a fixed seed."""
    random = np.random.default_rng(0)
    for part, count in photos.items():
        for kind in range(CLASSES):
            (folder / part / f"class{kind:02}").mkdir(parents=True)
            for number in range(count):
                coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
                coarse.resize((SIDE, SIDE)).save(folder / part / f"class{kind:02}" / f"{number}.jpg")


def _finding(measure: str, value: float, unit: str, photos: Mapping[str, int], about: str) -> dict[str, Any]:
    where = {"size": None, "batch": None, "photos": CLASSES * photos["train"]}
    return {"measure": measure, "value": value, "unit": unit, **where, "about": about}


def environment(folder: Path) -> dict[str, str]:
    """Return this process' environment, with decoded photos and compiled programs kept in `folder/cache`.

    Python, too, keeps what it compiles, as it does unless it is told not to.
    """
    changed = {**os.environ, "KERASQUEEZE_CACHE": str(folder / "cache")}
    for name in ("JAX_COMPILATION_CACHE_DIR", "PYTHONDONTWRITEBYTECODE"):
        changed.pop(name, None)
    return changed


def command(start: Sequence[str], experiments: Sequence[str], folder: Path, out: str, *options: str) -> list[str]:
    """Return the command that runs experiments on the photos in `folder/photos`; results go to `folder/out`."""
    data = ("--dataset", "folder", "--data-dir", str(folder / "photos"), "--weights", "none", "--head", "fresh")
    names = ",".join(experiments)
    return [*start, "--exp", names, *data, "--out", str(folder / out), *options]


def named(command: Sequence[str]) -> str:
    """Return what a command line of `command` is called in a message: the program between Python and its options."""
    return " ".join(Path(word).name for word in command[1 : list(command).index("--exp")])


def _run(start: Sequence[str], folder: Path, out: str, *options: str) -> None:
    whole = command(start, EXPERIMENTS, folder, out, *options)
    ended = subprocess.run(whole, env=environment(folder), capture_output=True, text=True)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines()
        raise Failed(f"{named(whole)} ended with code {ended.returncode}: {lines[-1] if lines else 'no message'}")
