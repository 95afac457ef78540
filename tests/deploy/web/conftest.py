"""The site within this process: its own data folder, a network of NumPy, Django's client."""

import os

import pytest
from site_for_tests import DATA, Painter, photo

pytest.importorskip("django", reason="needs the extra `web`")
pytest.importorskip("whitenoise", reason="needs the extra `web`")

with pytest.MonkeyPatch.context() as patch:  # for the moment in which Django reads its settings
    for name in [name for name in os.environ if name.startswith("KERASQUEEZE_WEB_")] + ["DATABASE_URL"]:
        patch.delenv(name, raising=False)
    patch.setenv("KERASQUEEZE_WEB_DATA", str(DATA / "data"))
    patch.setenv("KERASQUEEZE_WEB_RATE", "0")
    patch.setenv("KERASQUEEZE_WEB_RESULTS", str(DATA / "results"))
    patch.setenv("DJANGO_SETTINGS_MODULE", "kerasqueeze.deploy.web.settings")
    import django

    patch.setattr("logging.config.dictConfig", lambda config: None)  # it closes pytest's own stream through absl
    django.setup()

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.test.utils import setup_test_environment, teardown_test_environment

from kerasqueeze.deploy.web import network
from kerasqueeze.deploy.web.models import Prediction
from kerasqueeze.deploy.web.network import Network


@pytest.fixture(scope="session", autouse=True)
def database():
    """Make the tables, once."""
    setup_test_environment()
    call_command("migrate", verbosity=0)
    yield
    connections.close_all()
    teardown_test_environment()


@pytest.fixture(scope="session")
def painter():
    """The network of NumPy with its queue."""
    made = Network(Painter(), patience=5)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def used(painter):
    """Let the site use it, and begin each test with no photo."""
    network.use(painter)
    yield painter
    network.use(None)
    Prediction.objects.all().delete()


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def send(client):
    """Send a photo as the page's form does; return the answer."""

    def post(data: bytes | None = None, name: str = "photo.png", field: str = "photo", **options):
        file = SimpleUploadedFile(name, photo() if data is None else data, content_type="image/png")
        return client.post("/", {field: file}, **options)

    return post
