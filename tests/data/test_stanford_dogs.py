import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_dogs
from scipy.io import loadmat

from kerasqueeze.data import datasets
from kerasqueeze.data.cache import Decoded, decoded
from kerasqueeze.data.progress import Progress
from kerasqueeze.data.sets import stanford_dogs
from kerasqueeze.errors import UserError

OFFICIAL = Path(__file__).parent / "official_copy"
FORMS = {
    "archives": tiny_dogs.write_archives,
    "tree": tiny_dogs.write_tree,
    "prepared by tfds": lambda folder: OFFICIAL,
}


def load(data_dir: Path | None, cache: Path, progress: Progress | None = None) -> dict[str, Decoded]:
    progress = progress or Progress()
    photos = stanford_dogs.photos(data_dir, cache, progress, tiny_dogs.split())
    return {part.part: decoded(part, 16, cache / "decoded", "fatal", progress) for part in photos}


@pytest.mark.parametrize("form", FORMS)
def test_photos_labels_and_names_in_the_official_order(form, tmp_path):
    parts = load(FORMS[form](tmp_path / "dogs"), tmp_path / "cache")
    for half in ("train", "test"):
        names, labels = tiny_dogs.split().half(half)
        assert parts[half].names == names and parts[half].class_names == tiny_dogs.BREEDS
        np.testing.assert_array_equal(parts[half].labels, labels)
        expected = np.stack([tiny_dogs.pixels(name)[0, 0] for name in names])
        np.testing.assert_allclose(parts[half].images[:, 8, 8], expected, atol=2)


def test_all_forms_give_one_fingerprint(tmp_path):
    digests = set()
    for form, write in FORMS.items():
        parts = load(write(tmp_path / form), tmp_path / "cache")
        digests.add(datasets.assemble("stanford_dogs", parts, 0, 0.25, None).fingerprint)
    assert len(digests) == 1


def test_preparation_is_reported_and_otherwise_silent(tmp_path, heard, capfd):
    load(tiny_dogs.write_tree(tmp_path / "dogs"), tmp_path / "cache", heard)
    assert list(dict.fromkeys(task for task, _, _ in heard.updates)) == [
        "copying train",
        "copying test",
        "decoding train",
        "decoding test",
    ]
    assert capfd.readouterr() == ("", "")


def test_second_load_reads_no_photo(tmp_path, monkeypatch):
    folder = tiny_dogs.write_tree(tmp_path / "dogs")
    first = load(folder, tmp_path / "cache")
    monkeypatch.setattr(stanford_dogs, "_prepare", None)
    assert load(folder, tmp_path / "cache")["test"].digest == first["test"].digest


def test_another_size_is_prepared_once(tmp_path, monkeypatch):
    (photos, _) = stanford_dogs.photos(
        tiny_dogs.write_tree(tmp_path / "dogs"), tmp_path / "cache", Progress(), tiny_dogs.split()
    )
    decoded(photos, 16, tmp_path / "cache", "fatal", Progress())
    monkeypatch.setattr(stanford_dogs, "_build", None)
    assert decoded(photos, 20, tmp_path / "cache", "fatal", Progress()).images.shape == (12, 20, 20, 3)


def test_changed_copy_replaces_the_prepared_one(tmp_path):
    folder = tiny_dogs.write_tree(tmp_path / "dogs")
    first = load(folder, tmp_path / "cache")
    names = tiny_dogs.split().test
    (folder / "images" / "Images" / names[0]).write_bytes(tiny_dogs.photo(names[1]))
    second = load(folder, tmp_path / "cache")
    assert second["train"].digest == first["train"].digest and second["test"].digest != first["test"].digest
    assert len([path for path in (tmp_path / "cache" / "tfds").glob("*/*") if path.is_dir()]) == 1


def test_photos_that_go_missing_are_noticed(tmp_path):
    folder = tiny_dogs.write_tree(tmp_path / "dogs")
    load(folder, tmp_path / "cache")
    (folder / "images" / "Images" / tiny_dogs.split().test[0]).unlink()
    with pytest.raises(UserError, match=r"lacks 1 of 18 photos \(n02085620-Chihuahua/n02085620_5.jpg\)"):
        load(folder, tmp_path / "cache")


def test_no_copy(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no Stanford Dogs in .*: expected images\.tar.*Kaggle.*stanford_dogs/0\.2\.0"):
        load(tmp_path, tmp_path / "cache")
    monkeypatch.setenv("TFDS_DATA_DIR", str(OFFICIAL))
    assert len(load(None, tmp_path / "cache")["train"].labels) == 12


def test_cache_that_cannot_be_written(tmp_path):
    folder = tiny_dogs.write_tree(tmp_path / "dogs")
    (photos, _) = stanford_dogs.photos(folder, tmp_path / "file", Progress(), tiny_dogs.split())
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot prepare .* KERASQUEEZE_CACHE"):
        photos.open()


def script(tmp_path: Path, wait: bool, first: str = "") -> list[str]:
    """Return a command that loads the tree in `tmp_path`, a photo in 50 ms, when `go` is there if it is to wait."""
    code = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import without_keras
import tiny_dogs
from kerasqueeze.data import cache
from kerasqueeze.data.sets import stanford_dogs
from kerasqueeze.data.sets.stanford_dogs import copies
from kerasqueeze.data.sets.stanford_dogs import local
from kerasqueeze.data.progress import Progress
photo = copies.Tree.photo
def slowly(self, name):
    time.sleep(0.05)
    return photo(self, name)
copies.Tree.photo = slowly
class Heard(Progress):
    def update(self, task, done, total):
        if done == 1: print(task, flush=True)
    def note(self, text): print(text, flush=True)
tmp = Path({str(tmp_path)!r})
{first}
(tmp / f"ready{{time.monotonic_ns()}}").touch()
while {wait} and not (tmp / "go").exists():
    time.sleep(0.005)
for part in stanford_dogs.photos(tmp / "dogs", tmp / "cache", Heard(), tiny_dogs.split()):
    print("digest", cache.decoded(part, 16, tmp / "cache" / "decoded", "fatal", Heard()).digest)
"""
    return [sys.executable, "-c", code]


def test_runs_that_prepare_at_once_prepare_once(tmp_path, eventually):
    tiny_dogs.write_tree(tmp_path / "dogs")
    runs = [subprocess.Popen(script(tmp_path, True), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    eventually(lambda: len(list(tmp_path.glob("ready*"))) == 2)
    (tmp_path / "go").touch()
    outputs = [run.communicate(timeout=60)[0].splitlines() for run in runs]
    expected = [f"digest {part.digest}" for part in load(tmp_path / "dogs", tmp_path / "other").values()]
    for output in outputs:
        assert [line for line in output if line.startswith("digest")] == expected
    for task in ("copying train", "copying test", "decoding train", "decoding test"):
        assert sum(output.count(task) for output in outputs) == 1


def test_killed_preparation_is_begun_anew(tmp_path):
    tiny_dogs.write_tree(tmp_path / "dogs")
    with subprocess.Popen(script(tmp_path, False), stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "copying train\n"
        run.kill()
    place = next((tmp_path / "cache" / "tfds").iterdir())
    left = [path for path in place.iterdir() if path.is_dir()]
    assert len(left) == 1
    parts = load(tmp_path / "dogs", tmp_path / "cache")
    assert len(parts["train"].labels) == 12
    assert not left[0].exists() and len([path for path in place.iterdir() if path.is_dir()]) == 1


def test_full_disk(tmp_path):
    tiny_dogs.write_tree(tmp_path / "dogs")
    limit = "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000)); "
    limit += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    run = subprocess.run(script(tmp_path, False, limit), capture_output=True, text=True)
    assert "UserError: cannot prepare" in run.stderr and "File too large" in run.stderr
    assert not [path for path in (tmp_path / "cache" / "tfds").glob("*/*") if path.is_dir()]


@pytest.fixture(scope="module")
def real_forms(real_data, tmp_path_factory):
    """The whole data set at 32 px from the tree and from the archives, each from nothing."""
    forms = ("stanford_dogs", "stanford_dogs_archives")
    for form in forms:
        if not (real_data / form).is_dir():
            pytest.skip(f"KERASQUEEZE_TEST_DATA has no {form}/")
    cache = tmp_path_factory.mktemp("cache")
    return {
        form: datasets.load("stanford_dogs", data_dir=real_data / form, image_size=32, cache=cache) for form in forms
    }


@pytest.mark.real_data
def test_real_forms_are_equal(real_forms):
    tree, archives = real_forms.values()
    assert tree.fingerprint == archives.fingerprint == "fe1a8e68504ac48d"  # as it was when photos lay unturned
    assert tree.class_names == archives.class_names
    for part in ("train", "validation", "test"):
        first, second = getattr(tree, part), getattr(archives, part)
        assert first.names == second.names
        np.testing.assert_array_equal(first.labels, second.labels)
        np.testing.assert_array_equal(first.images, second.images)


@pytest.mark.real_data
def test_real_split_is_the_official_one(real_forms, real_data):
    data = real_forms["stanford_dogs"]
    assert (len(data.train), len(data.validation), len(data.test)) == (10_800, 1_200, 8_580)
    np.testing.assert_array_equal(np.bincount(data.validation.labels), np.full(120, 10))
    for half, splits in (("train", (data.train, data.validation)), ("test", (data.test,))):
        lists = loadmat(real_data / "stanford_dogs" / "lists" / f"{half}_list.mat")
        names = [str(name[0][0]) for name in lists["file_list"]]
        official = dict(zip(names, lists["labels"].ravel().astype(int) - 1, strict=True))
        assert {n: label for split in splits for n, label in zip(split.names, split.labels, strict=True)} == official


@pytest.mark.real_data
def test_real_pixels_are_the_photos(real_forms, real_data):
    from PIL import Image

    data = real_forms["stanford_dogs_archives"]
    for position in range(0, len(data.test), 1000):
        with Image.open(real_data / "stanford_dogs" / "images" / "Images" / data.test.names[position]) as photo:
            expected = np.asarray(photo.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))  # all are square
        np.testing.assert_array_equal(data.test.batch([position])[0][0], expected)


@pytest.mark.real_data
def test_real_second_load_is_quick(real_forms, real_data, tmp_path_factory):
    cache = Path(real_forms["stanford_dogs"].test.images.filename).parents[3]
    os.sync()
    started = time.perf_counter()
    again = datasets.load("stanford_dogs", data_dir=real_data / "stanford_dogs", image_size=32, cache=cache)
    assert time.perf_counter() - started < 1
    assert again.fingerprint == real_forms["stanford_dogs"].fingerprint
