"""The photos' files: written with their rows, removed with them, and forgotten when they are old."""

import io
import shutil
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models.signals import post_delete
from django.utils import timezone
from PIL import Image

from kerasqueeze.deploy.web.models import Guess, Prediction
from kerasqueeze.deploy.web.network import Seen
from kerasqueeze.deploy.web.uploads import within

JPEG_QUALITY = 88
YOUNG = 3600.0
"""Seconds."""


def keep(image: Image.Image, seen: Seen) -> Prediction:
    """Store a photo's pixels, encoded anew, with what the network said of it.

    Nothing of the file that came is kept but its pixels: no place, time or camera, and no name.

    Args:
        image: The photo in RGB, upright, as large as it is kept.
        seen: What the network said.
    """
    best = seen.guesses[0]
    made = Prediction(
        width=image.width,
        height=image.height,
        label=best.label[:200],
        probability=best.probability,
        network=seen.network[:200],
        explanation=seen.kind,
        squashed=seen.squashed,
        seconds=seen.seconds,
    )
    try:
        with transaction.atomic():
            made.photo.save(f"{made.id}/photo.jpg", _jpeg(image), save=False)
            made.thumbnail.save(f"{made.id}/thumbnail.jpg", _jpeg(within(image, settings.THUMBNAIL_SIDE)), save=False)
            made.save(force_insert=True)
            for rank, guess in enumerate(seen.guesses, 1):
                row = Guess(prediction=made, rank=rank, label=guess.label[:200], probability=guess.probability)
                if guess.heat is not None:
                    row.heat.save(f"{made.id}/heat-{rank}.png", ContentFile(guess.heat), save=False)
                row.save()
    except BaseException:
        _remove(made.id)
        raise
    return made


def forget_old() -> int:
    """Delete what is older than the site keeps it; return how many photos those were."""
    if not settings.KEEP_DAYS:
        return 0
    limit = timezone.now() - timedelta(days=settings.KEEP_DAYS)
    return _count(Prediction.objects.filter(created__lt=limit).delete())


def forget_all() -> int:
    """Delete the whole history; return how many photos it had."""
    return _count(Prediction.objects.all().delete())


def sweep() -> int:
    """Remove folders of photos that the database does not know, as a crash leaves them; return how many there were.

    A photo that is being stored has its folder before its row: what is younger than `YOUNG` stays.
    """
    if not settings.PHOTOS.is_dir():
        return 0
    known = {str(number) for number in Prediction.objects.values_list("id", flat=True)}
    before = time.time() - YOUNG
    found = [path for path in settings.PHOTOS.iterdir() if _is_number(path.name) and path.name not in known]
    strange = [path for path in found if path.stat().st_mtime < before]
    for path in strange:
        shutil.rmtree(path, ignore_errors=True)
    return len(strange)


def connect() -> None:
    """Remove a photo's files whenever its row is deleted, one by one or in a crowd."""
    post_delete.connect(_deleted, Prediction, dispatch_uid="files")


def _deleted(instance: Prediction, **_: object) -> None:
    number = instance.id
    transaction.on_commit(lambda: _remove(number))


def _remove(number: UUID) -> None:
    shutil.rmtree(Path(settings.PHOTOS) / str(number), ignore_errors=True)


def _count(deleted: tuple[int, dict[str, int]]) -> int:
    return deleted[1].get("web.Prediction", 0)


def _is_number(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _jpeg(image: Image.Image) -> ContentFile:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return ContentFile(file.getvalue())
