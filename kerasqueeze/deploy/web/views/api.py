"""The site for programs: photos in, JSON out; nothing is stored."""

from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from kerasqueeze.deploy.web import network, openapi
from kerasqueeze.deploy.web.forms import PhotosForm
from kerasqueeze.deploy.web.network import Seen
from kerasqueeze.deploy.web.views.errors import over_rate, problem, refusals, too_large

FIELD = "photo"


@method_decorator([csrf_exempt, refusals], name="dispatch")
class ApiView(View):
    """A view for programs, whose errors are JSON.

    No cookie is needed and nothing is stored, so a form on another site gains nothing and cannot read the answer: that
    is why there is no token.
    """

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say what is allowed."""
        allowed = ", ".join(self._allowed_methods())
        response = problem(request, 405, "method_not_allowed", f"{request.method} is not known here; {allowed} are.")
        response.headers["Allow"] = allowed
        return response


class Predict(ApiView):
    """`POST /api/v1/predict`: one or several photos in the field `photo` of multipart/form-data."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest) -> HttpResponse:
        """Look at the photos."""
        if request.content_type != "multipart/form-data":
            message = f"Send the photos as multipart/form-data, in the field {FIELD!r}."
            return problem(request, 415, "not_multipart", message)
        try:
            form = PhotosForm(request.POST, request.FILES)
        except (MultiPartParserError, BadRequest, UnicodeError):
            return problem(request, 400, "bad_request", "The multipart body is damaged or not complete.")
        if not form.is_valid():
            return _invalid(request, form)
        files: list[UploadedFile] = form.cleaned_data[FIELD]
        refused = over_rate(request, len(files))
        if refused:
            return refused
        used = network.current()
        found = used.predict([file.read() for file in files])
        return JsonResponse(
            {
                "model": used.name,
                "threshold": settings.THRESHOLD,
                "results": [_as_json(seen) for seen in found],
                "seconds": round(found[0].seconds, 4),
            }
        )


class OpenApi(ApiView):
    """`GET /api/v1/openapi.json`: what this is, for programs that read it."""

    http_method_names = ("get", "head", "options")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Send the document."""
        return JsonResponse(openapi.document())


def _invalid(request: HttpRequest, form: PhotosForm) -> HttpResponse:
    error = form.errors.as_data()[FIELD][0]
    code = error.code or "invalid"
    if code == "too_large":
        return too_large(request)
    if code == "required":
        return problem(request, 400, "no_photo", f"There is no photo in the field {FIELD!r}.")
    return problem(request, 400, code, " ".join(error.messages))


def _as_json(seen: Seen) -> dict[str, Any]:
    classes = [
        {"class": guess.number, "label": guess.label, "probability": round(guess.probability, 6)}
        for guess in seen.guesses
    ]
    return {"top": classes, "sure": seen.guesses[0].probability >= settings.THRESHOLD}
