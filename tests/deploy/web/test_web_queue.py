"""How many photos may be in work: each has a place, those of one request together."""

import pytest
from site_for_tests import Painter, photo

from kerasqueeze.deploy.batching import Busy
from kerasqueeze.deploy.web import uploads
from kerasqueeze.deploy.web.network import Network


@pytest.fixture
def small():
    made = Network(Painter(), queue=3, patience=5)
    yield made
    made.close()


def test_a_request_with_more_photos_than_places_is_refused_before_any_is_decoded(small, monkeypatch):
    decoded = []
    pixels = uploads.pixels
    monkeypatch.setattr(uploads, "pixels", lambda data: decoded.append(data) or pixels(data))
    with pytest.raises(Busy):
        small.predict([photo()] * 4)
    assert decoded == []
    assert len(small.predict([photo()] * 3)) == 3  # all places are free again
    assert len(decoded) == 3


def test_places_are_free_again_after_a_refusal(small):
    for _ in range(3):
        with pytest.raises(uploads.Refused, match="Photo 2"):
            small.predict([photo(), b"no photo", photo()])
    assert [seen.guesses[0].label for seen in small.predict([photo("red"), photo("blue")])] == [
        "red thing",
        "blue thing",
    ]
