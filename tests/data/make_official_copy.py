"""Write official_copy/: the Stanford Dogs of tiny_dogs.py as tfds' own builder prepares it.

    python tests/data/make_official_copy.py

Needs TensorFlow beside kerasqueeze. Archives come from a local server in place of the official one.
"""

import contextlib
import functools
import http.server
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import tensorflow_datasets as tfds
import tiny_dogs
from tensorflow_datasets.datasets.stanford_dogs import stanford_dogs_dataset_builder as official

COPY = Path(__file__).parent / "official_copy"


@contextlib.contextmanager
def served(archives: Path) -> Iterator[str]:
    """Serve a folder over HTTP and let tfds' builder download tiny archives from there; yields the address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=archives)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        urls = {"_IMAGES_URL": "images.tar", "_SPLIT_URL": "lists.tar", "_ANNOTATIONS_URL": "annotation.tar"}
        label = functools.partial(tfds.features.ClassLabel, names=[breed.lower() for breed in tiny_dogs.BREEDS])
        with (
            mock.patch.multiple(official, **{name: address + file for name, file in urls.items()}),
            mock.patch.object(tfds.features, "ClassLabel", lambda num_classes: label()),
        ):
            yield address
        server.shutdown()


if __name__ == "__main__":
    shutil.rmtree(COPY, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder, served(tiny_dogs.write_archives(Path(folder))):
        tfds.builder("stanford_dogs", data_dir=COPY, file_format="tfrecord").download_and_prepare()
    shutil.rmtree(COPY / "downloads")
