"""The site for programs, held against its own OpenAPI document."""

import threading
import time

import jsonschema
import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, override_settings
from site_for_tests import COLOURS, DATA, NAMES, Painter, photo

from kerasqueeze.deploy.web import network
from kerasqueeze.deploy.web.models import Prediction
from kerasqueeze.deploy.web.network import Network
from kerasqueeze.deploy.web.rate import rates

PREDICT = "/api/v1/predict"
DOCUMENT = "/api/v1/openapi.json"


@pytest.fixture
def post(client):
    """Send photos; hold the answer against the document."""
    document = client.get(DOCUMENT).json()
    described = document["paths"][PREDICT]["post"]["responses"]

    def send(*photos: bytes, **extra):
        files = [SimpleUploadedFile(f"{number}.png", data) for number, data in enumerate(photos)]
        answer = client.post(PREDICT, {"photo": files, **extra})
        schema = described[str(answer.status_code)]["content"]["application/json"]["schema"]
        assert answer["Content-Type"] == "application/json"
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})
        return answer

    return send


def test_the_document_is_valid(client):
    validator = pytest.importorskip("openapi_spec_validator")
    document = client.get(DOCUMENT).json()
    validator.validate(document)
    assert document["paths"][PREDICT]["post"]["requestBody"]["content"].keys() == {"multipart/form-data"}


def test_one_photo(post):
    answer = post(photo("blue"))
    assert answer.status_code == 200
    found = answer.json()
    assert found["model"] == "painter" and found["threshold"] == 0.5 and len(found["results"]) == 1
    logits = 6 - np.linalg.norm(COLOURS - [0, 0, 255], axis=1) / 32
    probabilities = np.exp(logits) / np.exp(logits).sum()
    order = np.argsort(-probabilities, kind="stable")[:5]
    top = found["results"][0]["top"]
    assert [one["class"] for one in top] == order.tolist()
    np.testing.assert_allclose([one["probability"] for one in top], probabilities[order], atol=1e-5)
    assert top[0]["label"] == NAMES[2] and found["results"][0]["sure"] is True
    with override_settings(THRESHOLD=0.9999):
        assert post(photo("blue")).json()["results"][0]["sure"] is False


def test_several_photos_in_their_order_and_nothing_is_stored(post):
    colours = ["blue", "white", "red", "lime"]
    answer = post(*[photo(colour) for colour in colours])
    labels = [one["top"][0]["label"] for one in answer.json()["results"]]
    assert labels == ["blue thing", "white thing", "red thing", "green thing"]
    assert not Prediction.objects.exists() and not list((DATA / "data" / "photos").glob("*"))


def test_a_bad_photo_among_several_is_named(post):
    answer = post(photo(), b"hello")
    assert answer.status_code == 415 and answer.json()["error"]["message"].startswith("Photo 2: ")
    answer = post(photo()[:70], photo())
    assert answer.status_code == 422 and answer.json()["error"]["message"].startswith("Photo 1: ")


def test_too_many_photos(post):
    assert post(*[photo()] * 16).status_code == 200
    answer = post(*[photo()] * 17)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "too_many"


def test_photos_that_are_too_large_together(post, client):
    answer = post(bytes(6 * 2**20), bytes(6 * 2**20))
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "too_large"
    answer = client.post(PREDICT, b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH="999999999999")
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "multipart/form-data; boundary=x", 400),
        (b"--x", "multipart/form-data; boundary=x", 400),
        (b"hello", "multipart/form-data", 400),
        (b"hello", "multipart/form-data; boundary=" + "é" * 3, 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\nno file\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            400,
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nabc\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            400,
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"{}", "application/json", 415),
        (photo(), "image/png", 415),
        (b"a=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_odd_bodies(client, body, kind, status):
    answer = client.generic("POST", PREDICT, body, CONTENT_TYPE=kind)
    assert answer.status_code == status, answer.content
    assert set(answer.json()) == {"error"}


def test_other_methods_are_refused_in_json(client):
    for method in ("get", "put", "patch", "delete"):
        answer = getattr(client, method)(PREDICT)
        assert answer.status_code == 405 and "POST" in answer["Allow"]
        assert answer.json()["error"]["code"] == "method_not_allowed"
    assert client.post(DOCUMENT).status_code == 405
    assert client.get("/api/v1/other").status_code == 404 and client.get("/api/v1/other").json()["error"]


def test_no_cookie_or_token_is_needed():
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(PREDICT, {"photo": SimpleUploadedFile("a.png", photo())}).status_code == 200


def test_an_address_that_sends_too_many_is_told_to_wait(post, send):
    rates.clear()
    with override_settings(RATE=3):
        assert post(photo(), photo()).status_code == 200
        assert send().status_code == 302  # pages count as well
        answer = post(photo())
        assert answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 20
        page = send()
        assert page.status_code == 429 and b"3 photos a minute" in page.content and page["Retry-After"]
    rates.clear()


class HeldUp(Painter):
    """Waits with the answer until it may give it."""

    def __init__(self):
        super().__init__()
        self.may_go, self.began = threading.Event(), threading.Event()

    def maps(self, images):
        self.began.set()
        assert self.may_go.wait(10)
        return super().maps(images)


def test_a_full_queue_says_so_at_once_to_programs_and_people(post, send):
    held = HeldUp()
    small = Network(held, queue=1, workers=1, patience=10)
    network.use(small)
    answers = []
    first = threading.Thread(target=lambda: answers.append(post(photo())))
    first.start()
    try:
        assert held.began.wait(5)
        start = time.monotonic()
        answer = post(photo())
        assert time.monotonic() - start < 5
        assert answer.status_code == 503 and int(answer["Retry-After"]) >= 1
        assert answer.json()["error"]["code"] == "busy"
        page = send()
        assert page.status_code == 503 and b"Too busy" in page.content and int(page["Retry-After"]) >= 1
    finally:
        held.may_go.set()
        first.join(10)
        small.close()
    assert answers[0].status_code == 200
    assert not Prediction.objects.exists()


def test_a_place_is_free_again_after_a_refusal(post):
    small = Network(Painter(), queue=1, workers=1)
    network.use(small)
    for _ in range(3):
        assert post(b"hello").status_code == 415
    assert post(photo()).status_code == 200
    small.close()


class Broken(Painter):
    def maps(self, images):
        raise ArithmeticError("bug")


def test_a_bug_in_the_network_is_an_error_500_without_details(client):
    broken = Network(Broken())
    network.use(broken)
    client.raise_request_exception = False
    answer = client.post(PREDICT, {"photo": SimpleUploadedFile("a.png", photo())})
    assert answer.status_code == 500 and answer.json()["error"]["code"] == "server_error"
    assert b"bug" not in answer.content
    page = client.post("/", {"photo": SimpleUploadedFile("a.png", photo())})
    assert (
        page.status_code == 500 and b"Something went wrong" in page.content and b"ArithmeticError" not in page.content
    )
    broken.close()


def test_health_and_readiness(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 200 and ready.json() == {"status": "ok", "network": "ok", "database": "ok"}
    network.use(None)
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503 and ready.json()["network"] == "not loaded" and ready["Retry-After"]
    answer = client.post(PREDICT, {"photo": SimpleUploadedFile("a.png", photo())})
    assert answer.status_code == 503


def test_readiness_sees_a_database_without_tables(client):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE web_prediction RENAME TO away")
    try:
        ready = client.get("/readyz")
        assert ready.status_code == 503 and ready.json()["database"] == "does not answer"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO web_prediction")


def test_a_bad_photo_alone_has_no_number(post):
    assert post(b"hello").json()["error"]["message"].startswith("This is not a photo")
