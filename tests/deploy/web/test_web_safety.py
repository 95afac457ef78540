"""What every answer has, what Django's own checks say, and the small machines behind it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from site_for_tests import DATA, photo

from kerasqueeze.deploy.web.models import Prediction
from kerasqueeze.deploy.web.rate import MOST, Rates, household
from kerasqueeze.deploy.web.secret import secret_key
from kerasqueeze.errors import UserError

PAGES = ("/", "/history/", "/history/delete/", "/study/", "/about/", "/nothing/", "PHOTO", "PHOTOdelete/")


@pytest.fixture
def page(client, send):
    """Return the answer for an address; PHOTO stands for a photo's."""
    url = send(photo("blue")).url

    def get(path):
        return client.get(path.replace("PHOTO", url))

    return get


def test_djangos_checks_for_deployment_find_nothing():
    call_command("check", deploy=True, fail_level="WARNING")


def test_migrations_are_complete():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize(
    "path", [*PAGES, "PHOTOphoto", "PHOTOheat-1", "/static/web/site.css", "/healthz", "/api/v1/openapi.json"]
)
def test_every_answer_tells_the_browser_to_trust_nothing_else(page, path):
    answer = page(path)
    policy = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in str(policy)
    assert answer["X-Content-Type-Options"] == "nosniff" and answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    if "static" not in path:
        assert answer["X-Frame-Options"] == "DENY"
    answer.close()


class Page(HTMLParser):
    """Notes what is open, what has a name, and what breaks the policy."""

    VOID = ("meta", "link", "img", "input", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.problems, self.tags, self.ids, self.labels, self.links = [], [], [], [], [], []
        self.feed(text)
        self.problems += [f"{tag} is not closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag not in self.VOID:
            self.open.append(tag)
        if "style" in found or any(name.startswith("on") for name in found):
            self.problems.append(f"{tag} has inline code")
        if tag == "img" and "alt" not in found:
            self.problems.append("img without alt")
        if found.get("id"):
            self.ids.append(found["id"])
        if tag == "label":
            self.labels.append(found.get("for"))
        for name in ("href", "src", "action"):
            if name in found:
                self.links.append(found[name])

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"{tag} closes something else")

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style") and data.strip():
            self.problems.append(f"{self.open[-1]} with content")


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_whole_and_can_be_used_with_a_keyboard_and_a_screen_reader(page, path):
    text = page(path).content.decode()
    found = Page(text)
    assert not found.problems
    assert len(set(found.ids)) == len(found.ids)
    names = [tag for tag, _ in found.tags]
    assert names.count("h1") == names.count("main") == names.count("title") == 1
    assert ("html", {"lang": "en"}) in found.tags
    for tag, attributes in found.tags:
        if tag == "input" and attributes.get("type") != "hidden":
            assert attributes["id"] in found.labels, attributes
    for link in found.links:
        assert link.startswith(("/", "?", "#")) and not link.startswith("//"), f"{link} leads away"


def test_every_link_of_the_pages_leads_somewhere(page, client):
    links = {link for path in PAGES for link in Page(page(path).content.decode()).links}
    for link in sorted(links):
        if link.startswith("/"):
            answer = client.get(link)
            assert answer.status_code == 200, link
            answer.close()


def test_pages_carry_names_as_text(client, send):
    url = send().url
    row = Prediction.objects.get()
    Prediction.objects.filter(id=row.id).update(label="<script>alert(1)</script>", network="<b>")
    row.guesses.update(label='"><img src=x>')
    for path in (url, "/", "/history/", f"{url}delete/"):
        text = client.get(path).content.decode()
        assert "<script>alert" not in text and "<b>" not in text and "<img src=x" not in text


def test_the_script_and_the_style_need_no_other_host():
    for name in ("site.js", "site.css", "icon.svg"):
        path = finders.find(f"web/{name}")
        assert path
        text = Path(path).read_text(encoding="utf-8")
        assert not re.search(r"(?<!xmlns=\")https?://", text) and "innerHTML" not in text and "eval(" not in text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.7:8000", "a b", ""])
def test_other_names_are_not_answered_to(client, host):
    answer = client.get("/", headers={"host": host}) if host else client.get("/", HTTP_HOST="")
    if host:
        assert answer.status_code == 400 and b"--allowed-host" in answer.content
    for known in ("127.0.0.1:8000", "localhost", "[::1]:8000"):
        assert client.get("/", headers={"host": known}).status_code == 200


def test_behind_a_proxy_everything_is_https(client):
    with override_settings(SECURE_SSL_REDIRECT=True, SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        assert client.get("/", headers={"x-forwarded-proto": "https"}).status_code == 200


def test_other_methods_are_refused(client, send):
    url = send().url
    for path in ("/history/", "/study/", "/about/", url, f"{url}photo", "/healthz", "/readyz", "/history/history.csv"):
        assert client.post(path).status_code == 405, path
        assert client.delete(path).status_code == 405, path
    assert client.put("/").status_code == 405 and client.delete("/").status_code == 405
    assert Prediction.objects.count() == 1


def test_a_page_that_is_sent_too_much_says_so_before_it_reads(client):
    answer = client.post("/", b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(11 * 2**20))
    assert answer.status_code == 413 and b"10.0" in answer.content and b"<h1>Too large</h1>" in answer.content
    assert client.post("/", b"", content_type="a/b", CONTENT_LENGTH="ten").status_code == 400


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_a_bucket_fills_evenly():
    clock = Clock()
    rates = Rates(clock)
    assert [rates.take("10.0.0.1", 6) for _ in range(7)] == [0] * 6 + [10]
    assert rates.take("10.0.0.2", 6) == 0
    clock.now += 9.9
    assert rates.take("10.0.0.1", 6) == 1
    clock.now += 0.2
    assert rates.take("10.0.0.1", 6) == 0
    clock.now += 1000
    assert [rates.take("10.0.0.1", 6) for _ in range(7)] == [0] * 6 + [10]  # never more than a minute's
    assert rates.take("10.0.0.1", 0) == 0
    clock.now += 60
    assert rates.take("10.0.0.1", 6, 50) == 0  # more than there ever are: all there are


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=40))
def test_no_pattern_gets_more_than_the_rate(steps):
    clock = Clock()
    rates, start, taken = Rates(clock), clock.now, 0
    for pause, count in steps:
        clock.now += pause
        if rates.take("a", 12, count) == 0:
            taken += count
        assert taken <= 12 + (clock.now - start) * 12 / 60 + 1e-6


def test_addresses_are_counted_by_household_and_not_kept_for_ever():
    assert household("2001:db8:1:2::1") == household("2001:db8:1:2:ffff::9%eth0") != household("2001:db8:1:3::1")
    assert household("::ffff:10.0.0.1") == household("10.0.0.1")
    rates = Rates()
    for number in range(MOST + 50):
        rates.take(f"host-{number}", 5)
    assert len(rates._buckets) == MOST


def test_the_secret_key_is_made_once_for_its_owner_alone(tmp_path):
    folder = tmp_path / "a" / "data"
    key = secret_key(folder)
    path = folder / "secret_key"
    assert len(set(key)) > 20 and len(key) >= 64 and secret_key(folder) == key
    assert path.stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in folder.iterdir()] == ["secret_key"]
    assert secret_key(tmp_path / "b") != key
    path.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"):
        secret_key(folder)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(UserError, match="holds no key"):
        secret_key(folder)
    with pytest.raises(UserError, match="--data DIR"):
        secret_key(path / "below")


def test_the_key_is_made_on_a_disk_without_links_too(tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    key = secret_key(tmp_path)
    assert secret_key(tmp_path) == key and [one.name for one in tmp_path.iterdir()] == ["secret_key"]


def test_the_key_is_not_djangos_example():
    assert (DATA / "data" / "secret_key").stat().st_mode & 0o777 == 0o600
