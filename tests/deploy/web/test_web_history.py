"""The history: pages, search, CSV, and the end of it."""

import csv
import io
import os
import re
import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.test import override_settings
from django.utils import timezone
from site_for_tests import DATA, photo, plain

from kerasqueeze.deploy.web import store
from kerasqueeze.deploy.web.models import Guess, Prediction

PHOTOS = DATA / "data" / "photos"


@pytest.fixture
def several(painter):
    """Store photos of some colours."""

    def keep(*colours):
        return [store.keep(plain(colour), painter.look(photo(colour))[1]) for colour in colours]

    return keep


def links(response) -> list[str]:
    return re.findall(r'href="(/photo/[0-9a-f-]{36}/)"', response.content.decode())


def test_an_empty_history_says_so(client):
    assert b"No photo yet" in client.get("/history/").content
    assert b"0 photos" in client.get("/history/").content


def test_pages_show_every_photo_once_newest_first(client, several):
    kept = several(*["red"] * 30)
    first, second = client.get("/history/"), client.get("/history/?page=2")
    assert b"30 photos" in first.content and b"Page 1 of 2" in first.content
    assert links(first) + links(second) == [one.get_absolute_url() for one in reversed(kept)]
    assert len(links(first)) == 24
    assert client.get("/history/?page=3").status_code == client.get("/history/?page=x").status_code == 404


def test_search_finds_by_words_in_any_case_and_keeps_them_on_the_next_page(client, several):
    several(*["red"] * 26, "blue", "green")
    assert b"1 photo for" in client.get("/history/?q=BLUE").content
    assert b"2" not in client.get("/history/?q=BLUE").content.split(b"photo for")[0][-3:]
    assert len(links(client.get("/history/?q=thing+green"))) == 1
    assert b"No photo has such a name" in client.get("/history/?q=poodle").content
    page = client.get("/history/?q=red")
    following = re.search(r'rel="next" href="([^"]+)"', page.content.decode())[1].replace("&amp;", "&")
    assert len(links(client.get(f"/history/{following}"))) == 2


@pytest.mark.parametrize("words", ["%", "_", "'", "' OR 1=1 --", "\x00", "<script>", "a" * 101])
def test_odd_words_find_nothing_and_are_no_code(client, several, words):
    several("red")
    answer = client.get("/history/", {"q": words})
    assert answer.status_code == 200 and b"<script>" not in answer.content
    if len(words) < 100 and "\x00" not in words:
        assert b"0 photos" in answer.content


def test_csv_has_what_the_database_has(client, several):
    kept = several("red", "blue")
    answer = client.get("/history/history.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8" and "history.csv" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["photo"] for row in rows] == [str(one.id) for one in reversed(kept)]
    assert [row["class_1"] for row in rows] == ["blue thing", "red thing"]
    for row, one in zip(rows, reversed(kept), strict=True):
        assert timezone.datetime.fromisoformat(row["created"]) == one.created
        shares = [float(row[f"probability_{rank}"]) for rank in range(1, 6)]
        np.testing.assert_allclose(shares, [guess.probability for guess in one.guesses.all()], atol=1e-6)
        assert shares == sorted(shares, reverse=True)
    found = b"".join(client.get("/history/history.csv?q=red").streaming_content).decode()
    assert found.count("\n") == 2


def test_a_name_is_no_formula_in_a_table_calculator(client, several):
    several("black")
    text = b"".join(client.get("/history/history.csv").streaming_content).decode()
    assert ",'=black thing," in text and ",=black" not in text


def test_deleting_all_asks_first(client, several):
    several("red", "blue")
    (PHOTOS / "notes").mkdir()  # not the site's: it stays
    assert b"2 photos" in client.get("/history/delete/").content and Prediction.objects.count() == 2
    answer = client.post("/history/delete/", follow=True)
    assert b"2 photos deleted" in answer.content
    assert not Prediction.objects.exists() and not Guess.objects.exists()
    assert [path.name for path in PHOTOS.iterdir()] == ["notes"]
    (PHOTOS / "notes").rmdir()


def test_old_photos_are_forgotten_with_their_files(several):
    old, young = several("red", "blue")
    Prediction.objects.filter(id=old.id).update(created=timezone.now() - timedelta(days=3, minutes=1))
    Prediction.objects.filter(id=young.id).update(created=timezone.now() - timedelta(days=2, hours=23))
    with override_settings(KEEP_DAYS=0):
        assert store.forget_old() == 0
    with override_settings(KEEP_DAYS=3):
        assert store.forget_old() == 1
    assert {path.name for path in PHOTOS.iterdir()} == {str(young.id)}


def test_folders_that_a_crash_left_are_swept_and_others_are_not(several):
    (kept,) = several("red")
    lost, strange = PHOTOS / str(uuid.uuid4()), PHOTOS / "holiday"
    for folder in (lost, strange):
        folder.mkdir()
        (folder / "photo.jpg").write_bytes(b"x")
    assert store.sweep() == 0  # it may be in the making
    for folder in (lost, strange, PHOTOS / str(kept.id)):
        os.utime(folder, (0, 0))
    assert store.sweep() == 1
    assert not lost.exists() and strange.exists() and (PHOTOS / str(kept.id)).exists()
    (strange / "photo.jpg").unlink()
    strange.rmdir()
