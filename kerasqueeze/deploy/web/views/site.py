"""Pages beside the photos: about the network, and the study."""

from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from django.views.generic import TemplateView

from kerasqueeze.deploy.batching import Busy
from kerasqueeze.deploy.web import about, network, results


class About(TemplateView):
    """What the network is, where it came from, and what it does not know."""

    template_name = "web/about.html"
    http_method_names = ("get", "head", "options")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what the model card says."""
        try:
            used = network.current()
            told = about.of(used.classifier, used.name)
        except Busy:
            told = None
        return super().get_context_data(about=told, **kwargs)


class Study(TemplateView):
    """The study's table and pictures."""

    template_name = "web/study.html"
    http_method_names = ("get", "head", "options")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the table and the names of the pictures."""
        folder = settings.RESULTS
        return super().get_context_data(table=results.table(folder), pictures=results.pictures(folder), **kwargs)


@require_safe
def study_picture(request: HttpRequest, name: str) -> HttpResponse:
    """Send one of the study's pictures; only what the page lists can be named."""
    picture = next((one for one in results.pictures(settings.RESULTS) if one.name == name), None)
    if picture is None:
        raise Http404
    response = FileResponse(picture.path.open("rb"), content_type="image/png")
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
