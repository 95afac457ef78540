import os

import pytest
from hypothesis import given, strategies

from kerasqueeze.data.listing import entries, file_state, one_line, readable, short_digest, shown, some
from kerasqueeze.errors import UserError


def test_entries_are_sorted_and_not_hidden(tmp_path):
    for name in ("b", "a", ".c", "B"):
        (tmp_path / name).touch()
    assert [entry.name for entry in entries(tmp_path)] == ["B", "a", "b"]
    assert [entry.name for entry in entries(tmp_path, hidden=True)] == [".c", "B", "a", "b"]
    with pytest.raises(UserError, match="No such file"):
        entries(tmp_path / "absent")
    with pytest.raises(UserError, match="Not a directory"):
        entries(tmp_path / "a")


def test_state_sees_size_and_time(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12")
    os.utime(path, ns=(5, 5))
    assert file_state(path) == "a:2:5"
    assert file_state(tmp_path / "absent") == "absent:missing"
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert file_state(tmp_path / "circle") == "circle:missing"


def test_digest_sees_where_parts_end():
    assert short_digest("ab", "c") != short_digest("a", "bc") != short_digest("abc")
    assert short_digest("\udcff", b"x") == short_digest(b"\xff", b"x")
    assert len(short_digest()) == 16


def test_some():
    assert some(["a"]) == "a"
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(list("abcde")) == "a, b, c and 2 more"


@given(strategies.lists(strategies.binary(max_size=6) | strategies.sampled_from([b"\\xff", b"\xff", b"\\u0301"])))
def test_readable_names_are_text_and_tell_names_apart(names):
    found = {os.fsdecode(name): readable(os.fsdecode(name)) for name in names}
    assert len(set(found.values())) == len(found)
    for name, text in found.items():
        assert text.encode("utf-8").decode() == text
        if "\\" not in text:
            assert text == name


def test_names_are_shown_in_one_line_that_no_terminal_obeys():
    assert shown("a\n\x1b[31m b\u202e\udcff\\ä狗") == r"a\n\x1b[31m b\u202e\udcff\ä狗"
    assert shown("x" * 400) == "x" * 150 + "…" + "x" * 150


def test_one_line():
    assert one_line(ValueError("a\n  b\tc")) == "a b c"
    assert len(one_line(ValueError("x" * 999))) == 200
