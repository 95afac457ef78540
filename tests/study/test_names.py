"""Class names are whatever a folder can be called: they come out right in CSV, pictures, Markdown and HTML."""

import json
import re
import unicodedata
import warnings
from html.parser import HTMLParser

import pandas as pd
import pytest
from PIL import Image
from synthetic import make

from kerasqueeze import class_names, history
from kerasqueeze.study import report
from kerasqueeze.study.figures import drawing
from kerasqueeze.study.figures import experiment as figures
from kerasqueeze.study.results import read

ODD = [
    "$x^2$ and \\frac{",
    "caf\udce9",
    "中文狗",
    "l" * 250,
    "two\nlines\r\nhere",
    "*bold* _a_ [b](http://c) `d` ~~e~~ ![f](g)",
    "<script>alert(1)</script> & <b>",
    "a|b",
    unicodedata.normalize("NFC", "Löwe"),
    unicodedata.normalize("NFD", "Löwe"),
    "n02085620-Chihuahua",
    "100%",
    "$5",
    "",
    "# title",
    "nan",
    '"quoted", and comma',
    "\x1b[31mred\x07",
    "🐕",
]
READABLE = [
    "$x^2$ and \\frac{",
    "caf\\xe9",
    "中文狗",
    "l" * 250,
    "two lines here",
    "*bold*  a  [b](http://c) `d` ~~e~~ ![f](g)".replace("  ", " "),
    "<script>alert(1)</script> & <b>",
    "a|b",
    "Löwe (class 8)",
    "Löwe (class 9)",
    "Chihuahua",
    "100%",
    "$5",
    "(class 13)",
    "# title",
    "nan",
    '"quoted", and comma',
    "[31mred",
    "🐕",
]


class Cells(HTMLParser):
    """Collects the text of a page's table cells, and the tags in them."""

    def __init__(self):
        super().__init__()
        self.cells, self.tags, self.inside = [], set(), False

    def handle_starttag(self, tag, attrs):
        if self.inside:
            self.tags.add(tag)
        if tag == "td":
            self.cells.append("")
        self.inside = tag == "td" or (self.inside and tag not in ("tr", "table", "p"))

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "td"

    def handle_data(self, data):
        if self.inside:
            self.cells[-1] += data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("names")
    make(out, "x", [0, 1], names=ODD, photos=190, accuracy=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as a letter that no font has
        markdown, page = report.write(out)
    return out, markdown.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")


def test_names_are_readable_on_one_line_and_no_two_alike():
    assert class_names.readable(ODD) == READABLE
    assert class_names.readable(["a_b", "a b", "c"]) == ["a b (class 0)", "a b (class 1)", "c"]


def test_the_record_keeps_the_names_as_they_are(written):
    out, _, _ = written
    assert json.loads(history.json_path(out, "x").read_text(encoding="utf-8"))["data"]["class_names"] == ODD
    assert read(out, "x").class_names == READABLE


def test_the_table_of_classes_reads_back_equal(written):
    out, _, _ = written
    table = pd.read_csv(out / "CSV" / "x_classes.csv", keep_default_na=False)
    assert table["name"].tolist() == READABLE
    assert set(table["mostly_taken_for"]) <= set(READABLE)


def test_the_page_shows_the_names_and_acts_on_none(written):
    _, _, page = written
    found = Cells()
    found.feed(page)
    assert set(READABLE) <= set(found.cells)
    assert found.tags <= {"td", "tr", "code", "span"}  # no name begins a tag of its own
    assert page.count("<code>`") == 0 and "alert(1)" in page and "<script" not in page
    assert page.count("<img") == page.count("data:image/png;base64,")
    assert 'href="http://c"' not in page


def test_markdown_keeps_its_columns_and_escapes_mathematics(written):
    _, text, _ = written
    for table in re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert r"\$x^2\$ and \\frac{" in text
    assert "\x1b" not in text


def test_pictures_show_names_as_text(written):
    out, _, _ = written
    with Image.open(out / "PNG" / "x_confusion.png") as picture:
        assert min(picture.size) > 400
    drawn = drawing.names(["$x$", "l" * 250, "🐕", "", "Löwe"])
    assert drawn == [r"\$x\$", f"{'l' * 29}…{'l' * 10}", "class 2", "class 3", "Löwe"]


def test_every_figure_of_an_experiment_is_drawn(tmp_path):
    make(tmp_path, "x", [0])
    figures.draw(tmp_path, "x")
    assert sorted(path.name for path in (tmp_path / "PNG").iterdir()) == ["x.png", "x_confusion.png"]
