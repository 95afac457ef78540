"""What waitress refuses before Django hears of it, a body that is too large above all, said as the site says it."""

from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from kerasqueeze.deploy.web.middleware.headers import POLICY
from kerasqueeze.deploy.web.views.errors import bare, too_large_message


class Refusal(ErrorTask):
    """Answers a request that cannot be read, and closes the connection."""

    def execute(self) -> None:
        """Write the answer."""
        request: Any = self.request
        error = request.error
        code, message = "bad_request", "The request is damaged or not complete."
        if error.code == 413:
            code, message = "too_large", too_large_message()
        kind, body = bare(str(getattr(request, "path", "")), error.code, code, message)
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [
            ("Content-Type", kind),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    """A connection whose refusals are `Refusal`s."""

    error_task_class = Refusal


def refuse_in_our_words(server: Any) -> None:
    """Let a server answer what it refuses as the site does."""
    server.channel_class = Channel
