"""Serve a trained network as a web site: people send photos and see what it says, programs do so through an API.

    kerasqueeze serve --model models/fine_tuning_adam_seed0.keras
    kerasqueeze serve --model imagenet:squeezenet1_1 --port 8080 --keep-days 7

Prints the address, which is of this machine alone unless --host says otherwise. Photos are stored in --data, smaller
and without what cameras write beside the pixels, for --keep-days; $DATABASE_URL takes any of Django's databases in
place of SQLite. Needs the extra `web`: pip install 'kerasqueeze[web]'.
"""

import argparse
import importlib.util
import os
from pathlib import Path

from kerasqueeze.commands import options
from kerasqueeze.errors import UserError

PACKAGES = ("django", "waitress", "whitenoise", "dj_database_url")
"""What the extra `web` installs."""
DATA = f"{os.environ.get('XDG_DATA_HOME') or '~/.local/share'}/kerasqueeze/web"


def parser() -> options.Parser:
    """Return the command's options."""
    parser = options.Parser(description=__doc__)
    add = parser.add_argument
    options.add_model(parser)
    add("--host", default="127.0.0.1", metavar="NAME", help="address to listen at (default: 127.0.0.1)")
    add("--port", type=_port, default=8000, metavar="N", help="port to listen at; 0: any free one (default: 8000)")
    add("--data", type=options.path, default=DATA, metavar="DIR", help=f"where all is kept (default: {DATA})")
    add("--keep-days", type=_days, default=30.0, metavar="N", help="days; 0: until deleted by hand (default: 30)")
    add("--allowed-host", action="append", default=[], metavar="NAME", help="a name people will type; repeatable")
    add("--proxy", default="", metavar="ADDRESS", help="address of a proxy in front that speaks HTTPS (default: none)")
    add("--threshold", type=_threshold, default=0.5, metavar="X", help='"not sure" below it (default: 0.5)')
    add("--rate", type=_count, default=60, metavar="N", help="photos a minute by address; 0: any (default: 60)")
    add("--workers", type=_some, default=4, metavar="N", help="photos decoded at one time (default: 4)")
    add("--queue", type=_some, default=32, metavar="N", help="photos in work or waiting at most (default: 32)")
    add("--results", type=options.path, default=".", metavar="DIR", help="the study's CSV/ and PNG/ (default: .)")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Set up, load, serve."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"serve needs {', '.join(missing)}; run: pip install 'kerasqueeze[web]'")
    from kerasqueeze.deploy.web import serving

    chosen = serving.Options(
        host=arguments.host,
        port=arguments.port,
        data=Path(arguments.data).absolute(),
        hosts=tuple(arguments.allowed_host),
        proxy=arguments.proxy,
        keep_days=arguments.keep_days,
        threshold=arguments.threshold,
        rate=arguments.rate,
        queue=arguments.queue,
        workers=arguments.workers,
        results=Path(arguments.results).absolute(),
    )
    serving.keep_within(chosen)
    serving.listen(chosen).close()  # an address that is taken is found out before the network is loaded

    from kerasqueeze.deploy import runtimes

    classifier = runtimes.open_model(arguments.model, arguments.runtime, arguments.weights)  # may start anew
    serving.warn(chosen)
    with serving.listen(chosen) as opened:
        serving.configure(chosen)
        serving.serve(chosen, classifier, _name(arguments.model), opened)


def _name(model: str) -> str:
    """Return what people call a model: an exported file in the cache has a longer name."""
    return Path(model).name.partition(".")[0].removeprefix("imagenet:")


def _port(text: str) -> int:
    return _whole(text, 0, 65535)


def _count(text: str) -> int:
    return _whole(text, 0, 1_000_000)


def _some(text: str) -> int:
    return _whole(text, 1, 256)


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"{text!r} is out of range; expected a whole number from {low} to {high}")
    return int(text)


def _days(text: str) -> float:
    return _between(text, 0, 36500)


def _threshold(text: str) -> float:
    return _between(text, 0, 1)


def _between(text: str, low: float, high: float) -> float:
    try:
        found = float(text)
    except ValueError:
        found = low - 1
    if not low <= found <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range; expected a number from {low:g} to {high:g}")
    return found
