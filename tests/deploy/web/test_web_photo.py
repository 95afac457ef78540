"""The way of a photo: sent, looked at, stored, shown, deleted."""

import io
import re

import numpy as np
import pytest
from django.conf import settings
from django.test import Client, override_settings
from PIL import ExifTags, Image
from site_for_tests import DATA, Painter, encoded, photo, plain

from kerasqueeze.deploy.explain import heat
from kerasqueeze.deploy.web import network
from kerasqueeze.deploy.web.models import Prediction
from kerasqueeze.deploy.web.network import Network

PHOTOS = DATA / "data" / "photos"


def content(response) -> bytes:
    return b"".join(response.streaming_content)


def stored_image(client, name="photo") -> Image.Image:
    return Image.open(io.BytesIO(content(client.get(f"{Prediction.objects.get().get_absolute_url()}{name}"))))


@pytest.mark.parametrize("field", ["photo", "camera"])
def test_a_photo_is_named(client, send, field):
    answer = send(photo("blue"), field=field)
    assert answer.status_code == 302
    page = client.get(answer.url)
    text = page.content.decode()
    assert page.status_code == 200 and "<h1>Blue thing</h1>" in text
    row = Prediction.objects.get()
    assert (row.label, row.network, row.explanation) == ("blue thing", "painter", "class activation map")
    logits = 6 - np.linalg.norm(np.array([(0, 0, 255)]) - [(0, 0, 255), (255, 0, 0), (0, 0, 0)], axis=1) / 32
    labels = list(row.guesses.values_list("label", flat=True))
    assert len(labels) == 5 and labels[0] == "blue thing" and labels[1] in ("grey thing", "=black thing")
    ratio = row.probability / row.guesses.get(label="=black thing").probability
    assert ratio == pytest.approx(np.exp(logits[0] - logits[2]), rel=1e-3)
    assert text.count("<meter") == 5 and f'value="{row.probability:.4f}"' in text


def test_probabilities_sum_to_one_over_all_classes(client, send):
    send(photo("blue"))
    total = sum(guess.probability for guess in Prediction.objects.get().guesses.all())
    assert 0.9 < total < 1


def test_below_the_threshold_the_page_is_not_sure(client, send):
    url = send(photo((100, 128, 60))).url
    assert "<h1>Not sure</h1>" not in client.get(url).content.decode()
    with override_settings(THRESHOLD=0.999):
        text = client.get(url).content.decode()
        assert "<h1>Not sure</h1>" in text and "Perhaps <strong>" in text
        assert "not sure:" in client.get("/history/").content.decode()


def test_the_map_is_the_networks_own_and_lies_on_the_middle_square(client, send):
    half = plain("white", (48, 48))
    half.paste("red", (0, 0, 24, 48))
    url = send(encoded(half, "PNG")).url
    row = Prediction.objects.get()
    rank = row.guesses.get(label="red thing").rank
    answer = client.get(f"{url}heat-{rank}")
    assert answer["Content-Type"] == "image/png"
    shown = np.asarray(Image.open(io.BytesIO(content(answer))))
    small = np.asarray(half.resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(shown, heat(Painter().maps(small[None])[1][0, ..., 0], network.HEAT_SIDE))
    assert shown[:, :40, 3].mean() > 2 * shown[:, -40:, 3].mean()  # where the red is


def test_another_class_can_be_chosen_without_a_script(client, send):
    url = send(photo("red")).url
    second = Prediction.objects.get().guesses.get(rank=2)
    text = client.get(f"{url}?class=2").content.decode()
    assert f'src="{url}heat-2"' in text and f"Bright areas speak for {second.label}" in text
    for odd in ("0", "99", "x", ""):
        assert f'src="{url}heat-1"' in client.get(f"{url}?class={odd}").content.decode()


def test_a_network_that_sees_the_whole_photo_gets_a_map_over_the_whole_photo(client, send):
    squashing = Network(Painter(resize="squash"), patience=5)
    try:
        network.use(squashing)
        text = client.get(send(photo("red", (96, 32))).url).content.decode()
    finally:
        squashing.close()
    assert 'class="heat squashed"' in text and "middle square" not in text
    Prediction.objects.all().delete()


class Mapless(Painter):
    has_maps = False


def test_without_maps_the_page_says_so(client, send):
    mapless = Network(Mapless(), patience=5)
    try:
        network.use(mapless)
        url = send().url
    finally:
        mapless.close()
    text = client.get(url).content.decode()
    assert "gives no map" in text and "heat-1" not in text
    assert client.get(f"{url}heat-1").status_code == 404


def test_what_is_stored_has_pixels_and_nothing_else(client, send):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "SecretCamera"
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (47.0, 22.0, 1.0)
    data = encoded(plain("red", (1500, 3000)), exif=exif, comment=b"SecretComment", icc_profile=b"SecretProfile")
    assert b"Secret" in data
    send(data, name="../../SecretName.jpg")
    image = stored_image(client)
    assert image.format == "JPEG" and image.size == (1024, 512)  # upright: turned, then made smaller
    assert not image.getexif() and "comment" not in image.info and "icc_profile" not in image.info
    assert max(stored_image(client, "thumbnail").size) == 240
    files = [path for path in DATA.rglob("*") if path.is_file()]
    assert len([path for path in files if path.is_relative_to(PHOTOS)]) == 7
    for path in files:
        assert b"Secret" not in path.read_bytes() and "Secret" not in path.name, path


def test_files_lie_in_folders_with_random_names_for_their_owner_alone(send):
    send()
    row = Prediction.objects.get()
    assert {path.name for path in PHOTOS.iterdir()} == {str(row.id)}
    for path in (PHOTOS / str(row.id)).iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_deleting_asks_first_and_then_deletes_the_files(client, send):
    url = send().url
    folder = PHOTOS / str(Prediction.objects.get().id)
    asked = client.get(f"{url}delete/")
    assert asked.status_code == 200 and b"Delete this photo?" in asked.content and folder.is_dir()
    answer = client.post(f"{url}delete/", follow=True)
    assert b"is deleted" in answer.content
    assert not folder.exists() and not Prediction.objects.exists()
    for gone in (url, f"{url}photo", f"{url}heat-1", f"{url}delete/"):
        assert client.get(gone).status_code == 404


def test_a_file_that_is_gone_from_disk_is_not_found(client, send):
    url = send().url
    next(PHOTOS.rglob("photo.jpg")).unlink()
    assert client.get(f"{url}photo").status_code == 404
    assert client.get(url).status_code == 200


def test_only_a_photos_own_files_can_be_asked_for(client, send):
    url = send().url
    for name in ("heat-6", "heat-0", "photo.jpg", "../secret_key", "%2e%2e/secret_key", "..%2fsecret_key"):
        assert client.get(f"{url}{name}").status_code == 404
    assert client.get("/photo/00000000-0000-0000-0000-000000000000/").status_code == 404
    assert client.get("/photo/1/").status_code == 404


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 422, "empty"),
        (b"hello", 415, "not a photo"),
        (photo()[:60], 422, "damaged"),
    ],
)
def test_what_is_no_photo_is_said_on_the_page(send, data, status, words):
    answer = send(data)
    text = answer.content.decode()
    assert answer.status_code == status
    assert words in re.search(r'<div id="problem".*?</div>', text, re.DOTALL)[0]  # type: ignore[index]
    assert not Prediction.objects.exists() and not list(PHOTOS.glob("*"))


def test_a_form_without_photo_is_refused(client):
    answer = client.post("/", {})
    assert answer.status_code == 422 and b"Choose a photo first" in answer.content


def test_forms_need_their_token(send):
    strict = Client(enforce_csrf_checks=True)
    url = send().url
    for path in ("/", f"{url}delete/", "/history/delete/"):
        answer = strict.post(path, {})
        assert answer.status_code == 403 and b"reload the page" in answer.content
    assert Prediction.objects.count() == 1
    token = re.search(rb'csrfmiddlewaretoken" value="(\w+)"', strict.get("/history/delete/").content)[1]  # type: ignore[index]
    assert strict.post("/history/delete/", {"csrfmiddlewaretoken": token.decode()}).status_code == 302
    assert not Prediction.objects.exists()


def test_a_photo_that_cannot_be_stored_leaves_nothing(client, send, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kerasqueeze.deploy.web.models.Guess.save", full)
    client.raise_request_exception = False
    assert send().status_code == 500
    assert not Prediction.objects.exists() and not list(PHOTOS.glob("*"))


def test_settings_bound_what_is_stored():
    assert settings.MAX_UPLOAD == 10 * 2**20 and settings.DEBUG is False
