"""The way of one photo: sent, looked at, stored, shown."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.forms import BaseForm
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from django.views.generic import DeleteView, DetailView, FormView

from kerasqueeze.deploy.web import network, store, uploads
from kerasqueeze.deploy.web.forms import PhotoForm
from kerasqueeze.deploy.web.models import Prediction
from kerasqueeze.deploy.web.views.errors import over_rate, refusals

RECENT = 6


@method_decorator(refusals, name="dispatch")
class Home(FormView):
    """The page that takes a photo."""

    template_name = "web/home.html"
    form_class = PhotoForm
    http_method_names = ("get", "head", "post", "options")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Look at a photo, unless its sender has sent too many."""
        return over_rate(request) or super().post(request, *args, **kwargs)

    def form_valid(self, form: PhotoForm) -> HttpResponse:
        """Look at the photo, store it and show the result."""
        try:
            image, seen = network.current().look(form.chosen.read())
        except uploads.Refused as error:
            form.add_error(None, error.message)
            return self.form_invalid(form, error.status)
        return redirect(store.keep(image, seen))

    def form_invalid(self, form: BaseForm, status: int = 422) -> HttpResponse:
        """Show the page again with what is wrong."""
        return self.render_to_response(self.get_context_data(form=form), status=status)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the photos that came last."""
        return super().get_context_data(recent=Prediction.objects.all()[:RECENT], **kwargs)


class Photo(DetailView):
    """The page of one photo: classes with bars, and the map over it."""

    template_name = "web/photo.html"
    queryset = Prediction.objects.prefetch_related("guesses")
    context_object_name = "prediction"
    http_method_names = ("get", "head", "options")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the class whose map is shown: the first, or the one that `?class=` gives by its rank."""
        guesses = list(self.object.guesses.all())
        asked = self.request.GET.get("class", "1")
        shown = next((guess for guess in guesses if str(guess.rank) == asked), guesses[0] if guesses else None)
        return super().get_context_data(guesses=guesses, shown=shown, **kwargs)


class Delete(DeleteView):
    """Asks whether a photo is to be deleted, and deletes it."""

    model = Prediction
    template_name = "web/delete.html"
    context_object_name = "prediction"
    http_method_names = ("get", "head", "post", "options")

    def form_valid(self, form: BaseForm) -> HttpResponse:
        """Delete row and files."""
        label = self.object.label
        self.object.delete()
        messages.success(self.request, f"The photo ({label}) is deleted.")
        return redirect("history")


@require_safe
def picture(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """Send one of a photo's files.

    Args:
        request: What is answered.
        pk: The photo's number.
        name: "photo", "thumbnail", or "heat-1" and so on.
    """
    found = get_object_or_404(Prediction, pk=pk)
    if name.startswith("heat-"):
        file = get_object_or_404(found.guesses, rank=int(name.removeprefix("heat-"))).heat
    else:
        file = found.photo if name == "photo" else found.thumbnail
    try:
        if not file:
            raise Http404
        content = file.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    response = FileResponse(content, content_type="image/png" if name.startswith("heat-") else "image/jpeg")
    response.headers["Cache-Control"] = "private, max-age=600"
    return response
