"""What was looked at so far: pages of thumbnails, a search, a CSV file, and the way to delete all of it."""

import csv
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe
from django.views.generic import ListView, TemplateView

from kerasqueeze.deploy.web import store
from kerasqueeze.deploy.web.forms import SearchForm
from kerasqueeze.deploy.web.models import Prediction
from kerasqueeze.deploy.web.network import TOP

COLUMNS = (
    "photo",
    "created",
    "network",
    "seconds",
    *(f"{what}_{rank}" for rank in range(1, TOP + 1) for what in ("class", "probability")),
)


def found(request: HttpRequest) -> tuple[SearchForm, QuerySet[Prediction]]:
    """Return the search and the photos that it finds; all of them without words."""
    form = SearchForm(request.GET)
    photos = Prediction.objects.all()
    words = form.cleaned_data["q"].split() if form.is_valid() else []
    for word in words:
        photos = photos.filter(label__icontains=word)
    return form, photos


class History(ListView):
    """The pages of thumbnails, newest first."""

    template_name = "web/history.html"
    context_object_name = "predictions"
    paginate_by = settings.PAGE_SIZE
    http_method_names = ("get", "head", "options")

    def get_queryset(self) -> QuerySet[Prediction]:
        """Return what the search finds."""
        self.form, photos = found(self.request)
        return photos

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the search."""
        words = self.form.cleaned_data.get("q", "") if self.form.is_valid() else ""
        return super().get_context_data(form=self.form, words=words, **kwargs)


class DeleteAll(TemplateView):
    """Asks whether the whole history is to be deleted, and deletes it."""

    template_name = "web/delete_all.html"
    http_method_names = ("get", "head", "post", "options")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add how many photos there are."""
        return super().get_context_data(count=Prediction.objects.count(), **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Delete all rows and files."""
        count = store.forget_all()
        messages.success(request, f"{count} photo{'' if count == 1 else 's'} deleted.")
        return redirect("history")


@require_safe
def download(request: HttpRequest) -> HttpResponse:
    """Send what the search finds as a CSV file, a row a photo."""
    rows = _rows(found(request)[1])
    response = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="history.csv"'
    return response


class _Line:
    """What `csv.writer` writes to: it returns each line."""

    def write(self, text: str) -> str:
        return text


def _rows(photos: QuerySet[Prediction]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for one in photos.prefetch_related("guesses").iterator(chunk_size=200):
        row: list[object] = [one.id, one.created.isoformat(), _plain(one.network), f"{one.seconds:.4f}"]
        for guess in one.guesses.all():
            row += [_plain(guess.label), f"{guess.probability:.6f}"]
        yield writer.writerow(row + [""] * (len(COLUMNS) - len(row)))


def _plain(text: str) -> str:
    """Return a name that a table calculator does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
