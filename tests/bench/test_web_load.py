"""The site's load script: against a site that errs on purpose, and whole, with a small network."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from kerasqueeze.bench import web, web_clients
from kerasqueeze.models import card
from kerasqueeze.models.card import Card

ROOT = Path(__file__).parents[2]


@pytest.fixture
def erring():
    """Answer in turns: class 3, busy, broken, class 4; keep what was sent."""
    answers = [(200, 3), (503, None), (500, None), (200, 4)]
    sent = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, number = answers[(len(sent) - 1) % len(answers)]
            body = json.dumps({"results": [{"top": [{"class": number}]}]}).encode()
            self.send_response(status)
            if status == 503:
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], sent
        server.shutdown()
        thread.join()


def test_wrong_answers_are_told_from_right_ones_and_those_asked_for_again(erring):
    port, sent = erring
    outcome = web_clients.load(port, [web_clients.request([b"photo"], [3])], clients=1, count=6, seconds=30)
    assert outcome.right == 2 and len(outcome.seconds) == 2
    assert outcome.retried == 2 and len(sent) == 8
    told = sorted(outcome.wrong)
    assert told[:2] == ["classes (4,) in place of (3,)"] * 2
    assert [line[:10] for line in told[2:]] == ["status 500"] * 2


def test_no_more_is_sent_once_time_is_up(erring):
    port, sent = erring
    outcome = web_clients.load(port, [web_clients.request([b"photo"], [3])], clients=2, count=5, seconds=0)
    assert not sent and outcome.wrong == ["not sent in time"] * 5


def test_a_site_that_is_gone_is_no_right_answer():
    outcome = web_clients.load(1, [web_clients.request([b"photo"], [3])], clients=1, count=2, seconds=5)
    assert outcome.right == 0 and len(outcome.wrong) == 2 and outcome.wrong[0].startswith("no answer")


def test_photos_are_drawn_the_same_each_time_and_differ():
    first, again = web.drawn(3), web.drawn(3)
    assert first == again and len(set(first)) == 3


@pytest.mark.slow
def test_the_whole_script_with_a_small_network(tmp_path):
    keras.utils.set_random_seed(0)
    pixels = keras.Input((16, 16, 3))
    maps = layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(pixels))
    keras.Model(pixels, layers.GlobalAveragePooling2D()(maps)).save(tmp_path / "tiny.keras")
    card.add(tmp_path / "tiny.keras", Card(tuple("abcd"), 16))
    words = ["--model", tmp_path / "tiny.keras", "--out", tmp_path, "--requests", "60", "--total", "400"]
    command = [sys.executable, "-m", "kerasqueeze.bench.web", *map(str, words)]
    for _ in range(2):  # the second replaces the first one's rows
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200)
        assert done.returncode == 0, done.stderr
    assert "wrong" not in done.stderr
    table = pd.read_csv(tmp_path / "CSV" / "bench_web.csv")
    assert list(table["clients"]) == [1, 8, 50] and (table["right"] == 60).all()
    assert (table["p50_ms"] <= table["p95_ms"]).all() and (table["ratio"] > 0).all()
    assert np.isfinite(table[["mb_after_200", "mb_after_400", "site_cpu_ms"]]).all(axis=None)
