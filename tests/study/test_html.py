"""The page needs nothing beside it."""

import base64
import re
from html.parser import HTMLParser

import matplotlib.image
import numpy as np
import pytest

from kerasqueeze.errors import UserError
from kerasqueeze.study.report import html, text

VOID = {"meta", "img", "br", "hr"}


class Balance(HTMLParser):
    """Checks that every tag is closed in its turn."""

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for key, value in attrs if key == "src"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_pictures_are_inside_and_tags_are_balanced(tmp_path):
    (tmp_path / "PNG").mkdir()
    path = tmp_path / "PNG" / "a b.png"
    matplotlib.image.imsave(path, np.zeros((2, 2, 3)))
    table = text.table(["class", "share"], [["<b>|*`&", 0.5], ["x", "0.1 [0.0, 0.2]"]])
    page = html.page(f"# Title & more\n\n{table}\n\n![a picture](<PNG/a b.png>)\n", tmp_path)
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    (link,) = parser.links
    assert base64.b64decode(link.removeprefix("data:image/png;base64,")) == path.read_bytes()
    assert "<title>Title &amp; more</title>" in page
    assert "<td>&lt;b&gt;|*`&amp;</td>" in page
    assert '0.1 <span class="interval">[0.0, 0.2]</span>' in page
    assert not re.search(r"<script|https?://", page)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no picture at .*gone\.png"):
        html.page("![x](PNG/gone.png)", tmp_path)
