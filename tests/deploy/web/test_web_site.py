"""The pages beside the photos: the study and the network."""

import csv

import pytest
from django.test import override_settings
from PIL import Image
from site_for_tests import Painter

from kerasqueeze.deploy.web import network
from kerasqueeze.deploy.web.network import Network

ROW = {
    "experiment": "tiny_adam",
    "model": "squeezenet1_1",
    "initialisation": "random",
    "optimizer": "adam",
    "accuracy": "0.12345",
    "accuracy_low": "0.10",
    "accuracy_high": "0.15",
    "precision": "nan?",
    "test_photos": "360",
    "seconds": "1",
}


@pytest.fixture
def results(tmp_path):
    """A results folder with a table and a picture."""
    (tmp_path / "CSV").mkdir()
    (tmp_path / "PNG").mkdir()
    with (tmp_path / "CSV" / "summary.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ROW)
        writer.writeheader()
        writer.writerow(ROW)
    Image.new("RGB", (30, 20), "red").save(tmp_path / "PNG" / "tiny_adam_VS_tiny_sgd_combined.png")
    with override_settings(RESULTS=tmp_path):
        yield tmp_path


def test_the_study_is_shown(client, results):
    text = client.get("/study/").content.decode()
    assert '<th scope="row">tiny_adam</th><td>0.123 [0.100, 0.150]</td><td></td>' in text
    assert "<td>360</td>" in text and "Tiny adam against tiny sgd" in text
    answer = client.get("/study/tiny_adam_VS_tiny_sgd_combined.png")
    assert answer["Content-Type"] == "image/png"
    assert b"".join(answer.streaming_content) == (results / "PNG" / "tiny_adam_VS_tiny_sgd_combined.png").read_bytes()


def test_only_the_studys_pictures_can_be_asked_for(client, results):
    secret = results / "secret.png"
    Image.new("RGB", (5, 5)).save(secret)
    (results / "PNG" / "link.png").symlink_to(secret)
    for name in ("secret", "link", "..%2Fsecret", "../secret", "absent", "%00"):
        assert client.get(f"/study/{name}.png").status_code == 404
    assert b"link" not in client.get("/study/").content.split(b"Pictures")[1].split(b"</ul>")[0]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"experiment\n" + b"x" * 2**21, b'"'])
def test_what_is_no_table_is_not_shown(client, results, content):
    (results / "CSV" / "summary.csv").write_bytes(content)
    text = client.get("/study/").content.decode()
    assert "<table>" not in text and "--results DIR" in text


def test_without_a_study_the_page_says_so(client):
    assert b"There is no table here" in client.get("/study/").content


def test_about_tells_what_the_card_says(client):
    told = Network(
        Painter(
            experiment={"name": "tiny_adam", "model": "squeezenet1_1", "optimizer": "adam", "epochs": 3},
            data={"name": "digits", "train": 12345, "test": 360},
            test={"accuracy": 0.98765, "photos": 360},
            versions={"keras": "3.99"},
            git_revision="abc123",
            seed=4,
        )
    )
    network.use(told)
    text = client.get("/about/").content.decode()
    for part in ("squeezenet1_1", "digits", "12,345", "0.988", "3.99", "abc123", "tiny_adam, 4", "middle square"):
        assert part in text, part
    assert text.count("<li>red thing</li>") == 1 and "curl -F photo=@photo.jpg http://testserver/api" in text
    told.close()


@pytest.mark.parametrize("origin", [{}, {"experiment": 3, "data": None, "test": [], "versions": "x"}])
def test_about_does_without_what_a_card_lacks(client, origin):
    bare = Network(Painter(**origin))
    network.use(bare)
    assert client.get("/about/").status_code == 200
    network.use(None)
    assert b"not loaded yet" in client.get("/about/").content
    bare.close()
