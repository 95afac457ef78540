"""Stanford Dogs (Khosla et al. 2011): 120 breeds, the official 12,000 training and 8,580 test photos."""

import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from kerasqueeze.data.cache import Decoded, Photos, exclusive
from kerasqueeze.data.listing import one_line, short_digest
from kerasqueeze.data.progress import Progress
from kerasqueeze.data.request import Request, decode_parts
from kerasqueeze.data.sets.stanford_dogs import prepared
from kerasqueeze.data.sets.stanford_dogs.copies import Copy, OfficialSplit, find_copy, official_split
from kerasqueeze.errors import UserError


def load(request: Request) -> dict[str, Decoded]:
    """Return the parts "train" and "test", see `photos`."""
    return decode_parts("stanford_dogs", photos(request.data_dir, request.cache, request.progress), request)


def photos(data_dir: Path | None, cache: Path, progress: Progress, split: OfficialSplit | None = None) -> list[Photos]:
    """Return the training and the test half.

    Args:
        data_dir: Folder with the archives, with Kaggle's tree, or with a copy that tfds prepared. None for tfds' own
            data folder, which is filled by download where it lacks the data set.
        cache: Folder for the copy that is prepared from archives or a tree.
        progress: Told how many photos are copied.
        split: Which photos there are; default the official list.

    Raises:
        UserError: There is no copy, or it is not complete.
    """
    split = split or official_split()
    if data_dir is None:
        return _prepared(prepared.official_copy(progress), split)
    found = prepared.find(data_dir)
    if found is not None:
        return _prepared(found, split)
    copy = find_copy(data_dir)
    if copy is None:
        raise UserError(
            f"no Stanford Dogs in {data_dir}: expected images.tar, annotation.tar and lists.tar (from "
            f"{prepared.DOWNLOAD_PAGE}), images/Images/<breed>/*.jpg (from Kaggle), or tfds' "
            f"stanford_dogs/{prepared.VERSION}"
        )
    return _local(copy, split, cache, progress)


def _prepared(folder: Path, split: OfficialSplit) -> list[Photos]:
    state = prepared.state(folder)

    def half(half: str) -> Photos:
        names, labels = split.half(half)
        reader = functools.partial(prepared.reader, folder, half, names)
        return Photos(half, names, labels, split.class_names, str(folder.resolve()), state, reader)

    return [half("train"), half("test")]


def _local(copy: Copy, split: OfficialSplit, cache: Path, progress: Progress) -> list[Photos]:
    location = str(copy.folder.resolve())
    state = copy.state()

    def half(half: str) -> Photos:
        names, labels = split.half(half)

        def reader() -> Callable[[int], bytes]:
            place = cache / "tfds" / f"stanford_dogs-{short_digest(location)}"
            return prepared.reader(_prepare(copy, state, split, place, progress), half, names)

        return Photos(half, names, labels, split.class_names, location, state, reader)

    return [half("train"), half("test")]


def _prepare(copy: Copy, state: str, split: OfficialSplit, place: Path, progress: Progress) -> Path:
    """Return the folder of the copy that our tfds builder made, making it where it is missing or out of date."""
    target = place / short_digest(state, *split.train, *split.test)
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not target.is_dir():
            with exclusive(place, progress) as alone:
                if not target.is_dir():
                    for old in place.iterdir():
                        if alone and old.is_dir():  # out of date, or left by a killed run
                            shutil.rmtree(old)
                    _build(copy, split, place, progress, target)
    except (OSError, RuntimeError) as error:  # tfds' writer raises the latter when the disk is full
        raise UserError(
            f"cannot prepare {copy.folder} in {place} ({one_line(error)}); make room for a copy of the photos, or set "
            "KERASQUEEZE_CACHE to a folder on another disk"
        ) from error
    return target


def _build(copy: Copy, split: OfficialSplit, place: Path, progress: Progress, target: Path) -> None:
    import tensorflow_datasets as tfds

    from kerasqueeze.data.sets.stanford_dogs.local import StanfordDogsLocal

    tfds.disable_progress_bar()
    with tempfile.TemporaryDirectory(dir=place) as part:
        builder = StanfordDogsLocal(split=split, progress=progress, data_dir=part, file_format="array_record")
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=copy.folder))
        Path(builder.data_dir).rename(target)
