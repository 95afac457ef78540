"""Starts the site: database, network, waitress, in this order, and ends them cleanly."""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from kerasqueeze.deploy.classifier import Classifier
from kerasqueeze.errors import UserError

SETTINGS = "kerasqueeze.deploy.web.settings"
CLEANING = 3600.0
"""Seconds between two looks for photos that are too old."""


@dataclass(frozen=True)
class Options:
    """What a user chooses; see the command's help.

    Attributes:
        host, port: Where the site listens.
        data: The folder that all is kept in.
        hosts: More names that the site answers to.
        proxy: Address of a proxy in front that speaks HTTPS, or "".
        keep_days: Days that photos are kept; 0: until they are deleted.
        threshold: Probability below which the site is not sure.
        rate: Photos that an address may send in a minute; 0: any number.
        queue: Photos in work or waiting.
        workers: Photos that are decoded at one time.
        results: Folder with the study's CSV/ and PNG/.
    """

    host: str
    port: int
    data: Path
    hosts: tuple[str, ...]
    proxy: str
    keep_days: float
    threshold: float
    rate: int
    queue: int
    workers: int
    results: Path

    @property
    def loopback(self) -> bool:
        """Whether the site is for this machine alone."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def keep_within(options: Options) -> None:
    """Let libraries write in the data folder what they would in the home folder; to be called before their import."""
    os.umask(0o077)  # what is made from here on is its owner's alone
    _share_memory()
    os.environ.setdefault("KERAS_HOME", str(options.data / "keras"))
    os.environ.setdefault("MPLCONFIGDIR", str(options.data / "matplotlib"))
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(options.data / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def configure(options: Options) -> None:
    """Set Django up with the options, make the database's tables, and put away what is too old.

    Raises:
        UserError: The data folder or the database cannot be used.
    """
    _export(options)
    import django
    from django.core.exceptions import ImproperlyConfigured

    # waitress keeps the larger bodies of requests in files without a name
    temporary = options.data / "tmp"
    _make(temporary)
    tempfile.tempdir = str(temporary)
    try:
        django.setup()
        _migrate()
    except UserError:
        raise
    except (ImproperlyConfigured, ImportError, ValueError) as error:
        raise UserError(
            f"DATABASE_URL cannot be used ({_line(error)}); expected one such as {_EXAMPLE}, and its package installed"
        ) from None
    from django.db import connections

    from kerasqueeze.deploy.web import store

    store.forget_old()
    store.sweep()
    connections.close_all()


def listen(options: Options) -> socket.socket:
    """Return a socket at the site's address.

    Raises:
        UserError: It is taken, or is no address of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0]
        opened = socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"cannot listen at {options.host}:{options.port} ({reason}); choose another: --host, --port"
        ) from None
    return opened


def serve(options: Options, classifier: Classifier, name: str, opened: socket.socket) -> None:
    """Answer requests until a signal ends it.

    Args:
        options: What the user has chosen.
        classifier: The network.
        name: What people call it.
        opened: What `listen` returned.
    """
    from waitress import wasyncore

    from kerasqueeze.deploy.web import network

    used = network.Network(classifier, options.queue, options.workers, name=name)
    used.batcher.warm()
    network.use(used)
    channels: dict[int, Any] = {}
    server = _server(options, opened, channels)
    stop = threading.Event()
    cleaner = threading.Thread(target=_clean, args=(stop,), name="retention", daemon=True)
    cleaner.start()
    signal.signal(signal.SIGTERM, _stop)
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"Serving {used.name} at http://{host}:{opened.getsockname()[1]}/ (Ctrl-C ends it)", flush=True)
    try:
        server.run()  # ends in good order at Ctrl-C and at `_stop`
    finally:
        stop.set()
        wasyncore.close_all(channels, ignore_all=True)
        network.use(None)
        used.close()
    print("Stopped", flush=True)


def _server(options: Options, opened: socket.socket, channels: dict[int, Any]) -> Any:
    """Return waitress' server, which keeps its connections in `channels`."""
    from waitress.server import create_server

    from kerasqueeze.deploy.web import settings
    from kerasqueeze.deploy.web.refusing import refuse_in_our_words
    from kerasqueeze.deploy.web.wsgi import application

    proxied = {
        "trusted_proxy": options.proxy,
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"},
    }
    server = create_server(
        application,
        map=channels,
        sockets=[opened],
        threads=options.workers + options.queue,  # one for each photo that waits, and some for the pages
        connection_limit=4 * (options.workers + options.queue),
        channel_timeout=30,  # seconds in which nothing comes
        max_request_body_size=settings.MAX_REQUEST,
        max_request_header_size=2**15,
        ident=None,
        clear_untrusted_proxy_headers=True,
        **(proxied if options.proxy else {}),
    )
    refuse_in_our_words(server)
    return server


def _share_memory() -> None:
    """Let all threads take their memory from one pool: with several, as glibc makes them, what is free in each adds up.

    Source: mallopt(3), M_ARENA_MAX.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(-8, 1)


_EXAMPLE = "postgres://user:password@localhost/name"


def _export(options: Options) -> None:
    """Put the options where `settings.py` reads them."""
    hosts = [*options.hosts, *([] if options.host in ("", "0.0.0.0", "::") else [_named(options.host)])]
    chosen = {
        "DATA": options.data,
        "HOSTS": ",".join(hosts),
        "PROXY": options.proxy,
        "KEEP_DAYS": options.keep_days,
        "THRESHOLD": options.threshold,
        "RATE": options.rate,
        "QUEUE": options.queue,
        "WORKERS": options.workers,
        "RESULTS": options.results,
    }
    os.environ.update({f"KERASQUEEZE_WEB_{name}": str(value) for name, value in chosen.items()})
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS


def _named(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{str(folder)!r} cannot be used ({error.strerror}); name another folder: --data DIR") from None


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import DatabaseError

    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise UserError(f"the database cannot be used ({_line(error)}); check DATABASE_URL, or --data DIR") from None


def _clean(stop: threading.Event) -> None:
    from django.db import DatabaseError, connection

    from kerasqueeze.deploy.web import store

    while not stop.wait(CLEANING):
        try:
            store.forget_old()
        except DatabaseError as error:  # it is tried again
            logging.getLogger("django").error("old photos are not deleted yet: %s", error)
        finally:
            connection.close()


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)  # waitress ends its loop with it


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def warn(options: Options) -> None:
    """Say what it means to listen at other addresses than this machine's own."""
    if options.loopback:
        return
    names = ", ".join(options.hosts) or "none; add those that people will type: --allowed-host NAME"
    https = "" if options.proxy else " What is sent can be read on its way: put a proxy with HTTPS in front (--proxy)."
    print(
        f"warning: {options.host} can be reached from other machines, and everyone who reaches the site sees and can "
        f"delete its history.{https} Names that it answers to besides its own: {names}",
        file=sys.stderr,
        flush=True,
    )
