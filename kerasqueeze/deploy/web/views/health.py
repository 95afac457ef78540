"""Whether the site is well, for whatever watches over it."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from kerasqueeze.deploy.batching import Busy
from kerasqueeze.deploy.web import network
from kerasqueeze.deploy.web.views.api import ApiView


class Health(ApiView):
    """`GET /healthz`: the process answers."""

    http_method_names = ("get", "head", "options")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Say so."""
        return JsonResponse({"status": "ok"})


class Ready(ApiView):
    """`GET /readyz`: photos can be sent, for the network is loaded and the database answers."""

    http_method_names = ("get", "head", "options")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Look at both."""
        state = {"network": "ok", "database": "ok"}
        try:
            network.current()
        except Busy:
            state["network"] = "not loaded"
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM web_prediction WHERE 1 = 0")
        except DatabaseError:
            state["database"] = "does not answer"
        ready = set(state.values()) == {"ok"}
        response = JsonResponse({"status": "ok" if ready else "not ready", **state}, status=200 if ready else 503)
        if not ready:
            response.headers["Retry-After"] = str(Busy.seconds)
        return response
