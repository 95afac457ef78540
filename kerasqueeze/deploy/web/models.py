"""What the database keeps of each photo: when it came, what the network said, and where its files lie."""

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse

SHOWN_SIDE = 560
MOST_ENLARGED = 3
_SHARE = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class Prediction(models.Model):
    """One photo and what the network said of it.

    Its files lie in a folder of its own, named by its random number and never by what a user called the photo.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created = models.DateTimeField(auto_now_add=True, db_index=True)
    photo = models.FileField(max_length=100)
    thumbnail = models.FileField(max_length=100)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    label = models.CharField(max_length=200, db_index=True)
    probability = models.FloatField(validators=_SHARE)
    network = models.CharField(max_length=200)
    explanation = models.CharField(max_length=60, blank=True)
    squashed = models.BooleanField(default=False)
    seconds = models.FloatField(validators=[MinValueValidator(0.0)])

    class Meta:
        """Newest first."""

        ordering = ("-created", "id")

    def __str__(self) -> str:
        return f"{self.label} ({self.probability:.0%}), {self.created:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        """Return the address of its page."""
        return reverse("photo", args=[self.id])

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height on its page, in pixels: small photos are enlarged, so that the map can be read."""
        scale = min(SHOWN_SIDE / max(self.width, self.height), MOST_ENLARGED)
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))

    @property
    def sure(self) -> bool:
        """Whether the most probable class is as probable as the site asks for."""
        return self.probability >= settings.THRESHOLD


class Guess(models.Model):
    """One of the most probable classes of a photo, with the map of what speaks for it."""

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="guesses")
    rank = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    label = models.CharField(max_length=200)
    probability = models.FloatField(validators=_SHARE)
    heat = models.FileField(max_length=100, blank=True)

    class Meta:
        """In the order of their ranks, each once."""

        ordering = ("rank",)
        constraints = (models.UniqueConstraint(fields=("prediction", "rank"), name="one_guess_a_rank"),)

    def __str__(self) -> str:
        return f"{self.rank}. {self.label} ({self.probability:.0%})"

    @property
    def heat_name(self) -> str:
        """What the map is called in its address."""
        return f"heat-{self.rank}"
