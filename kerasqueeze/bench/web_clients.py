"""Clients of the site's API: threads that send photos as fast as they are answered, each on a connection of its own.

Requests are encoded beforehand and answers read from the socket, so that the clients take little of the processor that
the site is measured on.
"""

import itertools
import json
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

PATH = "/api/v1/predict"
PATIENCE = 60.0
"""Seconds that one request may take, waiting for a free site included."""
_BOUNDARY = "photo-boundary-7d1f6c2b"


@dataclass(frozen=True)
class Request:
    """A request ready to be sent.

    Attributes:
        sent: All of its bytes.
        classes: The right answer: each photo's most probable class.
    """

    sent: bytes
    classes: tuple[int, ...]


@dataclass
class Outcome:
    """What came of some requests.

    Attributes:
        seconds: Of each that was answered, from its first sending on.
        right: How many were answered rightly.
        retried: Answers that asked to come again later.
        wrong: What else came, in words.
        wall: Seconds from the first to the last.
        own: Share of one core that the clients took.
    """

    seconds: list[float] = field(default_factory=list)
    right: int = 0
    retried: int = 0
    wrong: list[str] = field(default_factory=list)
    wall: float = 0.0
    own: float = 0.0


def request(files: Sequence[bytes], classes: Sequence[int]) -> Request:
    """Return a request with some photos and the classes that are the right answer."""
    parts = []
    for number, data in enumerate(files):
        head = f'Content-Disposition: form-data; name="photo"; filename="{number}.jpg"\r\nContent-Type: image/jpeg'
        parts.append(f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n")
    body = b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Request(head.encode() + body, tuple(classes))


def load(port: int, requests: Sequence[Request], clients: int, count: int, seconds: float) -> Outcome:
    """Send `count` requests, in turns those given, from so many clients at one time.

    Args:
        port: The site's, on this machine.
        requests: What is sent.
        clients: Threads, each with a connection that it keeps.
        count: Requests in all.
        seconds: After which no more are sent; what was not sent is told in `wrong`.
    """
    outcome, lock, numbers = Outcome(), threading.Lock(), itertools.count()
    end = time.perf_counter() + seconds

    def work() -> None:
        connection = Connection(port)
        try:
            while (number := next(numbers)) < count:
                one = requests[number % len(requests)]
                began = time.perf_counter()
                if began > end:
                    said, retried = "not sent in time", 0
                else:
                    said, retried = _answered(connection, one)
                with lock:
                    outcome.retried += retried
                    if said == "":
                        outcome.right += 1
                        outcome.seconds.append(time.perf_counter() - began)
                    else:
                        outcome.wrong.append(said)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    began, used = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.wall = time.perf_counter() - began
    outcome.own = (time.process_time() - used) / outcome.wall
    return outcome


def _answered(connection: "Connection", one: Request) -> tuple[str, int]:
    """Send a request until it is answered; return "" or what is wrong with that, and how often it was sent anew."""
    end = time.perf_counter() + PATIENCE
    for retried in itertools.count():
        try:
            status, headers, body = connection.ask(one.sent)
        except OSError as error:
            return f"no answer ({error})", retried
        wait = headers.get("retry-after")
        if status != 503 or wait is None or time.perf_counter() > end:
            return _judged(status, body, one), retried
        time.sleep(float(wait))
    raise AssertionError("unreachable")


def _judged(status: int, body: bytes, one: Request) -> str:
    if status != 200:
        return f"status {status}: {body[:200].decode(errors='replace')}"
    found = tuple(result["top"][0]["class"] for result in json.loads(body)["results"])
    return "" if found == one.classes else f"classes {found} in place of {one.classes}"


class Connection:
    """A connection that is kept, and made anew when the site has closed it."""

    def __init__(self, port: int):
        self.port = port
        self._socket: socket.socket | None = None

    def ask(self, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers with names in lower case, and body.

        Raises:
            OSError: There is no answer, or not all of one.
        """
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(sent)
            found = b""
            while b"\r\n\r\n" not in found:
                found += self._more()
            head, _, body = found.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            while len(body) < int(headers.get("content-length", 0)):
                body += self._more()
        except OSError:
            self.close()
            raise
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(first.split(" ")[1]), headers, body

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _more(self) -> bytes:
        assert self._socket is not None
        part = self._socket.recv(1 << 16)
        if not part:
            raise ConnectionError("the site hung up")
        return part
