"""The names of classes, which may be anything that a folder can be called, as people read them."""

import unicodedata
from collections import Counter
from collections.abc import Sequence


def readable(classes: Sequence[str]) -> list[str]:
    """Return the names of C classes to read: on one line, without a WordNet number in front, no two alike.

    `n02099712-Labrador_retriever` becomes `Labrador retriever`. Bytes that are no UTF-8 become `\\xff`. Of names that
    look alike, such as one name in two Unicode forms, each gets its number: `café (class 3)`.
    """
    plain = [_plain(name) for name in classes]
    times = Counter(plain)
    return [
        f"{name} (class {number})".lstrip() if times[name] > 1 or not name else name
        for number, name in enumerate(plain)
    ]


def _plain(name: str) -> str:
    number, dash, rest = name.partition("-")
    known = dash and len(number) == 9 and number[0] == "n" and number[1:].isdigit()
    whole = "".join(_letter(letter) for letter in (rest if known else name).replace("_", " "))
    return " ".join(unicodedata.normalize("NFC", whole).split())


def _letter(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # how Python keeps a byte of a file's name that is no UTF-8
        return f"\\x{ord(letter) - 0xDC00:02x}"
    kind = unicodedata.category(letter)
    return "\\u" + f"{ord(letter):04x}" if kind == "Cs" else " " if kind == "Cc" else letter
