"""Refuses a request that is too large by what it says of itself, before anything of it is read."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from kerasqueeze.deploy.web.views.errors import problem, too_large


class Limits:
    """Looks at the length; waitress does so as well, and counts what comes without one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isascii() or not length.isdecimal():
            return problem(request, 400, "bad_request", "The length of the request is no number.")
        if int(length) > settings.MAX_REQUEST:
            return too_large(request)
        return self.get_response(request)
