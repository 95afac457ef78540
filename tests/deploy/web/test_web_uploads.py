"""Whatever is sent: a photo is named, everything else is refused in words, and nothing breaks."""

import io
import struct
import time
import zipfile
import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from site_for_tests import DATA, encoded, photo, plain

from kerasqueeze.deploy.web import uploads
from kerasqueeze.deploy.web.models import Prediction

FORMS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
WHOLE = {form: encoded(plain("red", (40, 30)), form) for form in FORMS}
often = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def api(data: bytes, name: str = "photo.jpg"):
    file = SimpleUploadedFile(name, data, content_type="image/jpeg")
    return Client().post("/api/v1/predict", {"photo": file})


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_by_its_content_whatever_it_is_called(form):
    answer = api(WHOLE[form], "letter.pdf")
    assert answer.status_code == 200
    assert answer.json()["results"][0]["top"][0]["label"] == "red thing"


@often
@given(form=st.sampled_from(FORMS), share=st.floats(0, 1, exclude_max=True))
def test_a_photo_cut_short_is_refused_or_still_shows_what_it_showed(form, share):
    whole = WHOLE[form]
    answer = api(whole[: max(1, int(share * len(whole)))])
    assert answer.status_code in (200, 415, 422)
    if answer.status_code == 200:  # nothing but padding was cut
        assert answer.json()["results"][0]["top"][0]["label"] == "red thing"
    else:
        assert answer.json()["error"]["code"] in ("not_a_photo", "broken_photo", "too_many_pixels")


@often
@given(form=st.sampled_from(FORMS), place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
def test_a_photo_with_a_wrong_byte_breaks_nothing(form, place, value):
    data = bytearray(WHOLE[form])
    data[int(place * len(data))] ^= value
    assert api(bytes(data)).status_code in (200, 415, 422)


@often
@given(st.binary(min_size=1, max_size=200))
def test_what_is_no_photo_is_of_the_wrong_type(data):
    answer = api(data)
    assert answer.status_code in (415, 422)


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"\x00\x00\x00\x18ftypheic",
        encoded(plain(), "ICO"),
        encoded(plain(), "PPM"),
    ],
)
def test_other_types_are_refused_whatever_they_are_called(data):
    answer = api(data, "photo.jpg")
    assert answer.status_code == 415 and answer.json()["error"]["code"] == "not_a_photo"


@often
@given(form=st.sampled_from(FORMS), payload=st.sampled_from(["<script>alert(1)</script>", "<?php evil(); ?>", "zip"]))
def test_of_a_file_that_is_two_things_at_once_only_the_pixels_are_kept(form, payload):
    if payload == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("evil.txt", "evil")
        tail = file.getvalue()
    else:
        tail = payload.encode()
    Prediction.objects.all().delete()
    answer = Client().post("/", {"photo": SimpleUploadedFile("a.php", WHOLE[form] + tail)})
    assert answer.status_code == 302
    stored = [path for path in (DATA / "data" / "photos").rglob("*") if path.is_file()]
    assert len(stored) == 7 and {path.suffix for path in stored} == {".jpg", ".png"}
    for path in stored:
        assert tail not in path.read_bytes() and not zipfile.is_zipfile(path)


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8000, 8000), (60_000, 60_000), (2**31 - 1, 2**31 - 1), (52_000_001, 1)])
def test_bombs_are_refused_before_they_go_off(size, monkeypatch):
    monkeypatch.setattr(uploads, "whole_photo", lambda data: pytest.fail("it was decoded"))
    start = time.monotonic()
    answer = api(huge_png(*size))
    assert answer.status_code in (415, 422) and time.monotonic() - start < 2
    if size == (8000, 8000):
        assert answer.json()["error"]["code"] == "too_many_pixels" and "52 million" in answer.json()["error"]["message"]


def test_a_jpeg_of_endless_scans_is_refused():
    whole = encoded(Image.effect_noise((700, 700), 90).convert("RGB"), progressive=True)
    start = whole.index(b"\xff\xda")
    second = whole.index(b"\xff\xda", start + 2)
    many = whole[:second] + whole[start:second] * 5000 + whole[second:]
    began = time.monotonic()
    answer = api(many[: 9 * 2**20])
    assert answer.status_code == 422 and time.monotonic() - began < 5


def test_a_photo_too_narrow_to_be_one_is_refused():
    assert api(photo(size=(1, 20_000))).status_code in (200, 422)
    assert api(photo(size=(1, 8_000_000))).status_code == 422


@often
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(lambda name: f"x{name}")
    | st.sampled_from(["../../../etc/passwd", "..\\..\\boot.ini", "/etc/shadow", "con.jpg", ".htaccess", "a" * 900])
)
def test_a_files_name_is_never_used(name):
    Prediction.objects.all().delete()
    body = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="%s"\r\n\r\n' % name.encode()
    answer = Client().generic("POST", "/", body + photo() + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
    assert answer.status_code in (302, 400, 422)
    names = {path.name for path in (DATA / "data" / "photos").rglob("*") if path.is_file()}
    assert names <= {"photo.jpg", "thumbnail.jpg", *(f"heat-{rank}.png" for rank in range(1, 6))}
    assert name not in str(Prediction.objects.values_list("photo", flat=True))
