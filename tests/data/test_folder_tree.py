"""Which files of a folder are photos, which links are followed, and that the rest is counted."""

import os
import socket
import sys

import pytest
from PIL import Image

from kerasqueeze.data.progress import Progress
from kerasqueeze.data.sets import folder
from kerasqueeze.errors import UserError

FORMS = {
    ".jpg": "JPEG",
    ".JPEG": "JPEG",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".TIFF": "TIFF",
    ".gif": "GIF",
    ".ppm": "PPM",
    ".avif": "AVIF",
    ".jp2": "JPEG2000",
    ".photo": "PNG",
    "": "JPEG",
}


def photo(path, form="PNG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10)).save(path, form)


def fill(*places, count=4):
    for place in places:
        for number in range(count):
            photo(place / f"{number}.png")


def listed(place, progress=None):
    (part,) = folder.photos(place, progress or Progress())
    return part


def test_photos_of_all_formats_at_any_depth(tmp_path, heard):
    for number, (suffix, form) in enumerate(FORMS.items()):
        photo(tmp_path / "a" / f"{number:02}{suffix}", form)
    fill(tmp_path / "b" / "deep" / "deeper", tmp_path / "a" / "folder.jpg", count=1)
    fill(tmp_path / "b", count=2)
    names = [f"a/{number:02}{suffix}" for number, suffix in enumerate(FORMS)]
    rest = ("a/folder.jpg/0.png", "b/0.png", "b/1.png", "b/deep/deeper/0.png")
    assert listed(tmp_path, heard).names == (*names, *rest)
    assert len(heard.notes) == 1  # nothing was left out


def test_what_is_left_out_is_counted_with_the_reason(tmp_path, heard):
    fill(tmp_path / "a", tmp_path / "b")
    fill(*(tmp_path / name for name in ("a/@eaDir", "b/@eaDir", "a/.thumbnails", "__MACOSX/a", ".hidden")))
    for name in ("a/.DS_Store", "a/._0.png", "b/Thumbs.db", "a/notes.txt", "b/list", "b/phone.HEIC"):
        (tmp_path / name).write_text("Py P6 GIF")
    assert len(listed(tmp_path, heard).names) == 8
    assert heard.notes[1] == (
        f"{tmp_path}: left out 8 hidden or made by the system (.hidden, __MACOSX, a/.DS_Store and 5 more); 2 of no "
        "photo format (a/notes.txt, b/list); 1 HEIF photos, which Pillow does not read: convert them to JPEG "
        "(b/phone.HEIC)"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes")
def test_pipes_and_sockets_keep_nobody_waiting(tmp_path, heard, monkeypatch):
    fill(tmp_path / "a", tmp_path / "b")
    os.mkfifo(tmp_path / "a" / "f.jpg")
    os.mkfifo(tmp_path / "a" / "f")
    (tmp_path / "a" / "null.png").symlink_to("/dev/null")
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("b/s.jpg")
        assert len(listed(tmp_path, heard).names) == 8
    assert heard.notes[1].endswith("4 pipes, sockets or devices (a/f, a/f.jpg, a/null.png and 1 more)")


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_links_are_followed_and_loops_are_not(tmp_path, heard):
    fill(tmp_path / "b elsewhere", tmp_path / "more")
    fill(tmp_path / "in" / "a", count=2)
    (tmp_path / "in" / "b").symlink_to(tmp_path / "b elsewhere")
    (tmp_path / "in" / "a" / "linked").symlink_to(tmp_path / "more")
    (tmp_path / "in" / "a" / "one.png").symlink_to(tmp_path / "b elsewhere" / "0.png")
    for name, target in (("loop", "in"), ("up", "."), ("gone.png", "nowhere"), ("gone", "nowhere")):
        (tmp_path / "in" / "a" / name).symlink_to(tmp_path / target)
    (tmp_path / "in" / "a" / "root").symlink_to("/")
    (tmp_path / "b elsewhere" / "circle.txt").symlink_to(tmp_path / "b elsewhere" / "circle.txt")
    part = listed(tmp_path / "in", heard)
    linked = [f"a/linked/{number}.png" for number in range(4)]
    expected = ("a/0.png", "a/1.png", "a/gone.png", *linked, "a/one.png", *(f"b/{number}.png" for number in range(4)))
    assert part.names == expected  # what a name like gone.png stands for is found out when it is read
    assert "2 links to nothing (a/gone, b/circle.txt)" in heard.notes[1]
    assert "3 linked back to a folder above (a/loop, a/root, a/up)" in heard.notes[1]


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_folder_that_is_reached_twice(tmp_path):
    fill(tmp_path / "test" / "a", tmp_path / "test" / "b", tmp_path / "train" / "a")
    (tmp_path / "train" / "b").symlink_to(tmp_path / "test" / "b")
    with pytest.raises(UserError, match=r"test/b and train/b in .* are one folder; remove the link"):
        listed(tmp_path)


def test_a_tree_too_deep_is_refused(tmp_path):
    fill(tmp_path / "a", tmp_path.joinpath("b", *"x" * 120), count=1)
    with pytest.raises(UserError, match="is 101 folders deep; expected at most 100"):
        listed(tmp_path)
