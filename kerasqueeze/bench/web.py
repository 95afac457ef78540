"""The site under load: right answers, how long they take, photos a second against the bare network, memory.

    python -m kerasqueeze.bench.web --model models/fine_tuning_adam_seed0.keras
    python -m kerasqueeze.bench.web --model models/fine_tuning_adam_seed0.keras --runtime onnx --photos DIR

Starts `kerasqueeze serve` on a free port of this machine and sends it photos through its API from 1, 8 and 50 clients
at one time; each answer is compared with what the network itself names most probable. An answer of 503 is asked for
again after the seconds it says, and counted. `ratio` is photos a second over what `classifier.logits` computes at 32 a
batch, decoding not counted, in this process on the same cores just before and after. Memory is the site's own after 200
requests, and after 2,000. Where other work takes turns on the cores, as the clients do (`client_cores`), the
processor time that a photo costs say more: of the site (`site_cpu_ms`), and of the bare network (`inference_cpu_ms`).
Photos are drawn unless a folder is named. Writes CSV/bench_web.csv below --out, rows for each model and runtime.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from kerasqueeze.bench import web_clients
from kerasqueeze.bench.web_clients import Outcome, Request
from kerasqueeze.deploy import photos, runtimes
from kerasqueeze.deploy.classifier import BATCH, Classifier
from kerasqueeze.errors import UserError
from kerasqueeze.files import whole_file
from kerasqueeze.startup import hugepages
from kerasqueeze.training import provenance

CLIENTS = (1, 8, 50)
FIRST = 200
"""Requests before memory is looked at for the first time."""
SIDE, DRAWN, ROUNDS = 500, 64, 5
LONGEST = 600.0
"""Seconds that one part may take at most."""


def main() -> None:
    """Read the options, measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", required=True)
    add("--runtime", choices=tuple(runtimes.RUNTIMES))
    add("--weights")
    add("--photos", type=Path, help=f"folder of photos; default {DRAWN} that are drawn, {SIDE} pixels wide")
    add("--each", type=int, default=1, help="photos in a request (default: 1)")
    add("--requests", type=int, default=500, help="of each number of clients (default: 500)")
    add("--total", type=int, default=2000, help="requests before memory is looked at again (default: 2000)")
    add("--out", type=Path, default=Path())
    arguments = parser.parse_args()
    hugepages.ensure()  # as the site has them
    try:
        rows = measured(arguments)
    except UserError as error:
        sys.exit(f"error: {error}")
    path = arguments.out / "CSV" / "bench_web.csv"
    with whole_file(path) as part:
        _with_earlier(rows, path).to_csv(part, index=False, lineterminator="\n")
    print(rows.drop(columns=["model", "runtime", "processor"]).to_string(index=False))


def measured(arguments: argparse.Namespace) -> pd.DataFrame:
    """Return a row for each number of clients.

    Raises:
        UserError: There is no such model or folder.
    """
    classifier = runtimes.open_model(arguments.model, arguments.runtime, arguments.weights)
    files = [path.source for path in photos.find([str(arguments.photos)])] if arguments.photos else drawn(DRAWN)
    contents = [file.read_bytes() if isinstance(file, Path) else file for file in files][:500]
    images = np.stack([photos.prepare(data, classifier.card) for data in contents])
    classes = classifier.logits(images).argmax(axis=1)
    requests = [_of_some(contents, classes, start, arguments.each) for start in range(len(contents))]
    batch = np.resize(images, (BATCH, *images.shape[1:]))
    classifier.logits(batch)  # compiles
    rows, sent = [], FIRST
    with served(arguments) as (port, process):
        _told(web_clients.load(port, requests, max(CLIENTS), FIRST, LONGEST))
        first = memory(process)
        before = inference(classifier, batch)
        for clients in CLIENTS:
            used = processor_seconds(process)
            outcome = _told(web_clients.load(port, requests, clients, arguments.requests, LONGEST))
            used = processor_seconds(process) - used
            after = inference(classifier, batch)
            rows.append(_row(arguments, clients, outcome, used, (before + after) / 2))
            before, sent = after, sent + arguments.requests
        if sent < arguments.total:
            _told(web_clients.load(port, requests, 8, arguments.total - sent, LONGEST))
        last, sent = memory(process), max(sent, arguments.total)
    about = {"runtime": classifier.runtime, "processor": provenance.hardware()["processor"]}
    return pd.DataFrame(rows).assign(**{f"mb_after_{FIRST}": first, f"mb_after_{sent}": last}, **about)


def drawn(count: int) -> list[bytes]:
    """Return photos that nobody took: blobs of colour with some noise, as JPEG, the same each time."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        blobs = coarse.resize((SIDE, SIDE * 3 // 4), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(4))
        noise = random.normal(0, 12, (*blobs.size[::-1], 3))
        file = io.BytesIO()
        Image.fromarray(np.clip(np.asarray(blobs) + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=88)
        found.append(file.getvalue())
    return found


def inference(classifier: Classifier, batch: np.ndarray) -> np.ndarray:
    """Return the images a second that the network computes of a batch, and the same a second of processor time.

    Medians of `ROUNDS`.
    """
    rates = []
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        for _ in range(4):
            classifier.logits(batch)
        rates.append((time.perf_counter() - began, time.process_time() - used))
    return 4 * len(batch) / np.median(rates, axis=0)


@contextmanager
def served(arguments: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """Start the site in a folder of its own; yield its port and process number, and end it."""
    options = ["--model", arguments.model, "--port", "0", "--rate", "0"]
    for name in ("runtime", "weights"):
        if getattr(arguments, name):
            options += [f"--{name}", getattr(arguments, name)]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "kerasqueeze", "serve", *options, "--data", folder]
        environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert process.stdout is not None
            found = re.search(r" at http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
            if not found:
                raise UserError("the site did not start; what it says stands above")
            yield int(found[1]), process.pid
        finally:
            process.terminate()
            process.communicate()


def memory(process: int) -> float:
    """Return the megabytes that a process holds in memory; on other systems than Linux NaN."""
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="ascii"))
    except OSError:
        found = None
    return round(int(found[1]) / 1024, 1) if found else float("nan")


def processor_seconds(process: int) -> float:
    """Return the seconds of processor time that a process has taken; on other systems than Linux NaN."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, see proc(5)


def _of_some(contents: Sequence[bytes], classes: np.ndarray, start: int, each: int) -> Request:
    chosen = [(start + step) % len(contents) for step in range(each)]
    return web_clients.request([contents[number] for number in chosen], [int(classes[number]) for number in chosen])


def _told(outcome: Outcome) -> Outcome:
    """Say on standard error what was answered wrongly."""
    for line in outcome.wrong[:5]:
        print(f"wrong: {line}", file=sys.stderr)
    return outcome


def _row(
    arguments: argparse.Namespace, clients: int, outcome: Outcome, used: float, rates: np.ndarray
) -> dict[str, Any]:
    median, late = np.percentile(outcome.seconds, [50, 95]) * 1000 if outcome.seconds else (np.nan, np.nan)
    answered = outcome.right * arguments.each / outcome.wall
    return {
        "model": Path(arguments.model).name,
        "clients": clients,
        "photos_a_request": arguments.each,
        "requests": arguments.requests,
        "right": outcome.right,
        "retried": outcome.retried,
        "p50_ms": round(median, 1),
        "p95_ms": round(late, 1),
        "photos_per_second": round(answered, 1),
        "inference_per_second": round(rates[0], 1),
        "ratio": round(answered / rates[0], 3),
        "client_cores": round(outcome.own, 2),
        "site_cpu_ms": round(1000 * used / (arguments.requests * arguments.each), 2),
        "inference_cpu_ms": round(1000 / rates[1], 2),
    }


def _with_earlier(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the rows after those of a file that are of other models, runtimes or photos a request."""
    if not path.is_file():
        return rows
    key = ["model", "runtime", "photos_a_request"]
    earlier = pd.read_csv(path)
    others = ~earlier.set_index(key).index.isin(rows.set_index(key).index)
    return pd.concat([earlier[others], rows], ignore_index=True)


if __name__ == "__main__":
    main()
