"""CSV files as they come back: from this package, or saved again by a spreadsheet."""

from __future__ import annotations  # pandas is not loaded yet

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerasqueeze.errors import UserError
from kerasqueeze.startup import imports

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = imports.lazily("pandas")

MOST = 2**53
"""The greatest whole number that every program keeps exactly."""


def read(
    path: Path,
    remedy: str,
    columns: Sequence[str],
    whole: Sequence[str],
    text: Sequence[str] = (),
    added: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Read a CSV file, whatever its line ends, with rows and columns of nothing but commas left out.

    Args:
        path: The file.
        remedy: What to do where it is no such file.
        columns: Its columns, in this order.
        whole: Those of whole numbers from 0 up.
        text: Those that may hold text; the others are numbers, or empty.
        added: Columns that files of earlier versions lack, with what they would hold.

    Raises:
        UserError: One line that names the file and what is wrong with it.
    """
    frame = any_table(path, remedy)
    lacking = {name: value for name, value in (added or {}).items() if name not in frame.columns}
    if tuple(frame.columns) == tuple(name for name in columns if name not in lacking):
        for name, value in lacking.items():
            frame.insert(list(columns).index(name), name, value)
    if tuple(frame.columns) != tuple(columns):
        found = ", ".join(map(str, frame.columns))
        raise UserError(f"{path} has the columns {found}; expected {', '.join(columns)}; {remedy}")
    for name in columns:
        if name not in text:
            frame[name] = _numbers(frame[name], path, remedy, is_whole=name in whole)
    return frame


def any_table(path: Path, remedy: str) -> pd.DataFrame:
    """Read a CSV file of any columns, as `read` does.

    Raises:
        UserError: It is no CSV file, or a row has more cells than the head.
    """
    try:
        with warnings.catch_warnings():  # of columns of several kinds
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            frame = pd.read_csv(path, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not a CSV file ({reason}); {remedy}") from None
    if len(frame.columns) == 1 and ";" in str(frame.columns[0]):
        raise UserError(f"{path} has semicolons between its cells; save it with commas, or {remedy}")
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes the first cells for names of the rows
        raise UserError(f"{path} has rows with more cells than its head; {remedy}")
    empty = [name for name in frame.columns if str(name).startswith("Unnamed: ") and frame[name].isna().all()]
    return frame.drop(columns=empty).dropna(how="all").reset_index(drop=True)


def _numbers(column: pd.Series, path: Path, remedy: str, *, is_whole: bool) -> pd.Series:
    """Return a column as numbers; name the first row that is none."""
    values = pd.to_numeric(column, errors="coerce")
    wrong = values.isna() & column.notna()
    if is_whole:
        wrong |= ~values.between(0, MOST) | (values % 1 != 0)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        cell = column.iloc[row]
        said = "nothing" if pd.isna(cell) else f"{str(cell)[:40]!r}"
        expected = "a whole number from 0 up" if is_whole else "a number"
        raise UserError(f"{path} holds {said} as {column.name} in row {row + 1}; expected {expected}; {remedy}")
    return values.astype(int) if is_whole else values
