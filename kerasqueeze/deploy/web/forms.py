"""What people send: photos, and words to search for."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from kerasqueeze.deploy.web.uploads import MEDIA_TYPES


def check_size(file: UploadedFile) -> None:
    """Refuse a file that is too large to be sent alone."""
    if (file.size or 0) > settings.MAX_UPLOAD:
        most, size = filesizeformat(settings.MAX_UPLOAD), filesizeformat(file.size)
        raise ValidationError(f"The photo has {size}; at most {most} are taken.", code="too_large")


class PhotoForm(forms.Form):
    """One photo, chosen from files or taken with a camera: a browser offers each in a field of its own."""

    photo = forms.FileField(
        label="Choose a photo",
        required=False,
        max_length=1000,
        validators=[check_size],
        widget=forms.FileInput(attrs={"accept": ",".join(MEDIA_TYPES)}),
    )
    camera = forms.FileField(
        label="Take a photo",
        required=False,
        max_length=1000,
        validators=[check_size],
        widget=forms.FileInput(attrs={"accept": ",".join(MEDIA_TYPES), "capture": "environment"}),
    )

    def clean(self) -> dict[str, Any]:
        """Ask for one of the two."""
        found = super().clean() or {}
        if not self.errors and not (found.get("photo") or found.get("camera")):
            raise ValidationError("Choose a photo first.", code="no_photo")
        return found

    @property
    def chosen(self) -> UploadedFile:
        """The photo that came."""
        return self.cleaned_data["photo"] or self.cleaned_data["camera"]


class SearchForm(forms.Form):
    """Words of a class's name."""

    q = forms.CharField(
        label="Search by name",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )


class _Photos(forms.FileInput):
    allow_multiple_selected = True


class PhotosField(forms.FileField):
    """One or several files under one name."""

    widget = _Photos

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        """Check each file, and how many there are."""
        several: Sequence[Any] = data if isinstance(data, list | tuple) else [data]
        found = [super(PhotosField, self).clean(one, initial) for one in several or [None]]
        if len(found) > settings.MAX_PHOTOS:
            raise ValidationError(f"{len(found)} photos; at most {settings.MAX_PHOTOS} are taken.", code="too_many")
        return found


class PhotosForm(forms.Form):
    """What the API takes."""

    photo = PhotosField(max_length=1000, allow_empty_file=False, validators=[check_size])
