import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasqueeze.data import decode
from kerasqueeze.data.cache import Photos, decoded
from kerasqueeze.data.progress import Progress
from kerasqueeze.errors import UserError


def photos(folder: Path, count: int = 40, state: str = "0") -> Photos:
    """Write `count` photos, each of one grey, and describe them."""
    folder.mkdir(exist_ok=True)
    names = [f"{number:03d}.png" for number in range(count)]
    for number, name in enumerate(names):
        if not (folder / name).exists():
            Image.new("RGB", (20, 16), (number, number, number)).save(folder / name)
    labels = np.arange(count, dtype=np.int32) % 2
    return Photos(
        "all", tuple(names), labels, ("even", "odd"), str(folder), state, lambda: lambda place: folder / names[place]
    )


def load(source: Photos, cache: Path, on_broken: str = "fatal", progress: Progress | None = None):
    return decoded(source, 12, cache, on_broken, progress or Progress())


def no_decoding(monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(decode, "read_photo", refuse)


def test_pixels_labels_and_names(tmp_path, heard):
    result = load(photos(tmp_path / "in"), tmp_path / "cache", progress=heard)
    assert isinstance(result.images, np.memmap) and not result.images.flags.writeable
    np.testing.assert_array_equal(result.images, np.tile(np.arange(40)[:, None, None, None], (1, 12, 12, 3)))
    np.testing.assert_array_equal(result.labels, np.arange(40) % 2)
    assert result.labels.dtype == np.int32 and result.names[3] == "003.png" and result.class_names == ("even", "odd")
    assert heard.updates == [("decoding all", done + 1, 40) for done in range(40)]


def test_second_load_decodes_nothing_and_is_equal(tmp_path, monkeypatch):
    first = load(photos(tmp_path / "in"), tmp_path / "cache")
    no_decoding(monkeypatch)
    second = load(photos(tmp_path / "in"), tmp_path / "cache")
    np.testing.assert_array_equal(first.images, second.images)
    assert (first.digest, first.names) == (second.digest, second.names)


def test_digest_depends_on_pixels_labels_and_names_alone(tmp_path):
    base = photos(tmp_path / "in")

    def digest(**changes):
        return load(Photos(**{**vars(base), **changes}), tmp_path / f"cache{len(list(tmp_path.iterdir()))}").digest

    same = digest()
    assert digest(state="another time", location="elsewhere") == same
    assert digest(labels=1 - base.labels) != same
    assert digest(names=(*base.names[:-1], "x")) != same
    assert digest(class_names=("a", "b")) != same
    (tmp_path / "in" / "007.png").write_bytes((tmp_path / "in" / "008.png").read_bytes())
    assert digest() != same


def block(cache: Path) -> Path:
    (path,) = cache.rglob("*.npy")
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda cache: os.truncate(block(cache), block(cache).stat().st_size - 1),
        lambda cache: os.truncate(block(cache), 0),
        lambda cache: block(cache).write_bytes(block(cache).read_bytes() + b"0"),
        lambda cache: block(cache).unlink(),
        lambda cache: next(cache.rglob("photos.json")).write_text("{"),
        lambda cache: next(cache.rglob("photos.json")).write_text('{"key": 3}'),
        lambda cache: next(cache.rglob("photos.json")).write_text("[]"),
        lambda cache: next(cache.rglob("photos.json")).unlink(),
    ],
)
def test_damaged_cache_is_built_again(tmp_path, damage):
    first = np.array(load(photos(tmp_path / "in"), tmp_path / "cache").images)
    damage(tmp_path / "cache")
    np.testing.assert_array_equal(load(photos(tmp_path / "in"), tmp_path / "cache").images, first)


def test_changed_photos_replace_the_old_entry(tmp_path):
    old = load(photos(tmp_path / "in"), tmp_path / "cache")
    (tmp_path / "in" / "000.png").write_bytes((tmp_path / "in" / "009.png").read_bytes())
    new = load(photos(tmp_path / "in", state="1"), tmp_path / "cache")
    assert (old.images[0, 0, 0, 0], new.images[0, 0, 0, 0]) == (0, 9)  # who maps the old one keeps it
    assert block(tmp_path / "cache")


def test_another_decoder_or_size_is_another_content(tmp_path, monkeypatch):
    load(photos(tmp_path / "in"), tmp_path / "cache")
    monkeypatch.setattr(decode, "VERSION", decode.VERSION + 1)
    monkeypatch.setattr(decode, "read_photo", lambda source, size: np.full((size, size, 3), 77, np.uint8))
    assert load(photos(tmp_path / "in"), tmp_path / "cache").images[5, 0, 0, 0] == 77
    assert decoded(photos(tmp_path / "in"), 20, tmp_path / "cache", "fatal", Progress()).images.shape == (40, 20, 20, 3)


def test_broken_photo_is_fatal_by_name(tmp_path):
    source = photos(tmp_path / "in")
    (tmp_path / "in" / "005.png").write_bytes(b"no photo")
    with pytest.raises(UserError, match=r"^005\.png cannot be decoded \(no photo in a format.*on_broken='skip'"):
        load(source, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.npy")) and not list((tmp_path / "cache").rglob(".part*"))


def test_broken_photos_are_skipped_by_name(tmp_path, heard, monkeypatch):
    source = photos(tmp_path / "in")
    whole = load(source, tmp_path / "other").digest
    for name in ("005.png", "039.png"):
        (tmp_path / "in" / name).write_bytes(b"no photo")
    result = load(source, tmp_path / "cache", "skip", heard)
    kept = [number for number in range(40) if number not in (5, 39)]
    np.testing.assert_array_equal(result.images[:, 3, 3, 1], kept)
    np.testing.assert_array_equal(result.labels, np.array(kept) % 2)
    assert result.names == tuple(f"{number:03d}.png" for number in kept) and result.digest != whole
    assert [note.split(" cannot")[0] for note in heard.notes] == ["left out: 005.png", "left out: 039.png"]
    no_decoding(monkeypatch)
    load(source, tmp_path / "cache", "skip", heard)
    assert len(heard.notes) == 4  # the user hears of it in every run
    with pytest.raises(UserError, match=r"005\.png, 039\.png cannot be decoded"):
        load(source, tmp_path / "cache", "fatal")


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match="KERASQUEEZE_CACHE"):
        load(photos(tmp_path / "in"), tmp_path / "cache")


def test_full_disk(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); import signal; "
    limit += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    photos(tmp_path / "in")
    run = subprocess.run(script(tmp_path, limit), capture_output=True, text=True)
    assert "UserError: cannot keep 0 MiB of decoded photos" in run.stderr and "File too large" in run.stderr
    assert not list((tmp_path / "cache").rglob("*.npy")) and not list((tmp_path / "cache").rglob(".part*"))


def script(tmp_path: Path, first: str = "") -> list[str]:
    """Return a command that decodes the photos in `tmp_path`, each in 20 ms more, once the file `go` is there."""
    code = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import without_keras
import test_cache
from kerasqueeze.data import decode
from kerasqueeze.data.progress import Progress
read = decode.read_photo
def slowly(*args):
    time.sleep(0.02)
    return read(*args)
decode.read_photo = slowly
class Heard(Progress):
    def update(self, task, done, total):
        if done == 1: print("began", flush=True)
    def note(self, text): print(text, flush=True)
tmp = Path({str(tmp_path)!r})
{first}
(tmp / f"ready{{time.monotonic_ns()}}").touch()
while not (tmp / "go").exists() and not {bool(first)}:
    time.sleep(0.005)
print("digest", test_cache.load(test_cache.photos(tmp / "in"), tmp / "cache", progress=Heard()).digest)
"""
    return [sys.executable, "-W", "error", "-c", code]


def test_runs_that_build_at_once_build_once(tmp_path, eventually):
    photos(tmp_path / "in")
    runs = [subprocess.Popen(script(tmp_path), stdout=subprocess.PIPE, text=True) for _ in range(3)]
    eventually(lambda: len(list(tmp_path.glob("ready*"))) == 3)
    (tmp_path / "go").touch()
    outputs = [run.communicate(timeout=60)[0].splitlines() for run in runs]
    assert all(run.returncode == 0 for run in runs)
    expected = f"digest {load(photos(tmp_path / 'in'), tmp_path / 'other').digest}"
    assert [output[-1] for output in outputs] == [expected] * 3
    assert sum("began" in output for output in outputs) == 1
    assert sum(output[0].startswith("waiting for another run") for output in outputs) == 2


def test_killed_run_leaves_nothing_that_counts(tmp_path, eventually):
    source = photos(tmp_path / "in")
    (tmp_path / "go").touch()
    with subprocess.Popen(script(tmp_path), stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "began\n"
        run.kill()
    cache = tmp_path / "cache"
    assert list(cache.rglob(".part*")) and not list(cache.rglob("photos.json"))
    started = time.monotonic()
    result = load(source, cache)
    assert time.monotonic() - started < 5, "waited for a dead process"
    np.testing.assert_array_equal(result.images[:, 0, 0, 0], np.arange(40))
    assert not list(cache.rglob(".part*"))


def test_metadata_say_what_the_block_holds(tmp_path):
    load(photos(tmp_path / "in"), tmp_path / "cache")
    (path,) = (tmp_path / "cache").rglob("photos.json")
    key = json.loads(path.read_text())["key"]
    assert sorted(key) == ["class_names", "decoder", "labels", "names", "size", "state"]
