"""The tables of photos and of what the network said of them."""

import uuid

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Prediction",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("created", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("photo", models.FileField(upload_to="")),
                ("thumbnail", models.FileField(upload_to="")),
                ("width", models.PositiveIntegerField()),
                ("height", models.PositiveIntegerField()),
                ("label", models.CharField(db_index=True, max_length=200)),
                (
                    "probability",
                    models.FloatField(
                        validators=[
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ]
                    ),
                ),
                ("network", models.CharField(max_length=200)),
                ("explanation", models.CharField(blank=True, max_length=60)),
                ("squashed", models.BooleanField(default=False)),
                ("seconds", models.FloatField(validators=[django.core.validators.MinValueValidator(0.0)])),
            ],
            options={
                "ordering": ("-created", "id"),
            },
        ),
        migrations.CreateModel(
            name="Guess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rank", models.PositiveSmallIntegerField(validators=[django.core.validators.MinValueValidator(1)])),
                ("label", models.CharField(max_length=200)),
                (
                    "probability",
                    models.FloatField(
                        validators=[
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ]
                    ),
                ),
                ("heat", models.FileField(blank=True, upload_to="")),
                (
                    "prediction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="guesses", to="web.prediction"
                    ),
                ),
            ],
            options={
                "ordering": ("rank",),
                "constraints": [models.UniqueConstraint(fields=("prediction", "rank"), name="one_guess_a_rank")],
            },
        ),
    ]
