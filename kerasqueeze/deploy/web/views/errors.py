"""Answers that are errors: JSON for programs, a page with what to do for people."""

import functools
import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat

from kerasqueeze.deploy.batching import Busy
from kerasqueeze.deploy.web.rate import rates
from kerasqueeze.deploy.web.uploads import Refused

PROGRAMS = ("/api/", "/healthz", "/readyz")
"""What the addresses begin with that programs ask for."""
TITLES = {
    400: "Bad request",
    403: "Not allowed",
    404: "Page not found",
    413: "Too large",
    415: "Not a photo",
    422: "The photo cannot be read",
    429: "Too many photos",
    500: "Something went wrong",
    503: "Too busy at the moment",
}


def problem(request: HttpRequest, status: int, code: str, message: str, retry_after: int | None = None) -> HttpResponse:
    """Return an error: JSON for programs, else a page.

    Args:
        request: What is answered.
        status: HTTP's number.
        code: A word for programs.
        message: For people: what is wrong and what to do.
        retry_after: Seconds after which it may go better.
    """
    if request.path.startswith(PROGRAMS):
        response: HttpResponse = JsonResponse(as_json(code, message), status=status)
    else:
        context = {"status": status, "title": TITLES.get(status, "That did not work"), "message": message}
        response = render(request, "web/error.html", context, status=status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def as_json(code: str, message: str) -> dict[str, Any]:
    """Return what the API says of an error."""
    return {"error": {"code": code, "message": message}}


def bare(path: str, status: int, code: str, message: str) -> tuple[str, bytes]:
    """Return an error's media type and body where there is no Django yet: before a request has been read."""
    if path.startswith(PROGRAMS):
        return "application/json", json.dumps(as_json(code, message)).encode()
    title = TITLES.get(status, "That did not work")
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<h1>{title}</h1><p>{message}</p><p><a href="/">Back</a></p></html>'
    )
    return "text/html; charset=utf-8", page.encode()


def too_large_message() -> str:
    """Return what is said of a request that is too large."""
    return f"At most {filesizeformat(settings.MAX_UPLOAD)} are taken at once. Make the photo smaller and send it again."


def too_large(request: HttpRequest) -> HttpResponse:
    """Return what answers a request that is too large."""
    return problem(request, 413, "too_large", too_large_message())


def busy(request: HttpRequest, error: Busy) -> HttpResponse:
    """Return what answers a request that there is no room for."""
    message = "Many photos are waiting already. Try again in a few seconds."
    return problem(request, 503, "busy", message, retry_after=error.seconds)


def refusals(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Turn what a network refuses into an answer."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Refused as error:
            return problem(request, error.status, error.code, error.message)
        except Busy as error:
            return busy(request, error)

    return answered


def over_rate(request: HttpRequest, count: int = 1) -> HttpResponse | None:
    """Count some photos; return what answers an address that has sent too many."""
    wait = rates.take(request.META.get("REMOTE_ADDR", ""), settings.RATE, count)
    if not wait:
        return None
    message = f"At most {settings.RATE} photos a minute are taken from one address. Try again in {wait} seconds."
    return problem(request, 429, "too_many_requests", message, retry_after=wait)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django finds wrong with a request: handler400."""
    if isinstance(exception, DisallowedHost):
        message = "The site does not answer to that name. Whoever runs it can allow it: serve --allowed-host NAME."
        return problem(request, 400, "unknown_host", message)
    return problem(request, 400, "bad_request", "The request is damaged or incomplete.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what may not be done: handler403."""
    return problem(request, 403, "forbidden", "You may not do this.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that does not come from this site, or whose cookie is gone."""
    message = "The form has expired, or cookies are off. Go back, reload the page and try again."
    return problem(request, 403, "csrf", message)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address without a page: handler404."""
    return problem(request, 404, "not_found", "It was deleted, or it never existed.")


def broke(request: HttpRequest) -> HttpResponse:
    """Answer when a view has a bug: handler500."""
    return problem(request, 500, "server_error", "The fault is the site's, not yours; its log has the details.")
