"""How a setting is written, once: its type, what it means and which values it takes, in its annotation; its default."""

import dataclasses
import functools
import sys
import typing
from typing import Any

from kerasqueeze.errors import UserError, unknown


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers a setting takes.

    Attributes:
        low: The least; without it itself if `above`.
        high: The greatest, or the name of the setting that holds it; without it itself if `below`.
        above: See `low`.
        below: See `high`.
        or_zero: Whether 0 is taken as well.
        unit: What is counted, in the plural.
    """

    low: float
    high: float | str = sys.float_info.max
    above: bool = False
    below: bool = False
    or_zero: bool = False
    unit: str = ""

    def fits(self, value: Any, high: float) -> bool:
        """Tell whether a number is one of these, `high` being the greatest."""
        if self.or_zero and value == 0:
            return True
        over = value > self.low if self.above else value >= self.low
        return over and (value < high if self.below else value <= high)  # false of nan

    def words(self, whole: bool, high: float | str) -> str:
        """Return the numbers in words, as in "a number above 0, at most 1"."""
        if self.unit:
            return f"{self.low} to {high} {self.unit}"
        number = "a whole number" if whole else "a number"
        if not (self.above or self.below or whole):
            return f"{number} from {self.low} to {high}"
        least = f"above {self.low}" if self.above else f"from {self.low} up"
        most = "" if high == sys.float_info.max else f", below {high}" if self.below else f", at most {high}"
        return f"{'0, or ' if self.or_zero else ''}{number} {least}{most}"


@dataclasses.dataclass(frozen=True)
class Choices:
    """The names a setting takes.

    Attributes:
        names: The names; none if another room keeps them.
        kept_in: Module whose `NAMES` they then are. Who uses the setting checks it.
        noun: What one of them is called; the setting's name if empty.
        prefix: What other values begin with, such as "optax:"; none if empty. Who uses the setting checks the rest.
    """

    names: tuple[str, ...] = ()
    kept_in: str = ""
    noun: str = ""
    prefix: str = ""

    def fits(self, value: Any) -> bool:
        """Tell whether a value is one of the names, or begins as others may."""
        return value in self.names or bool(self.prefix and isinstance(value, str) and value.startswith(self.prefix))

    def shown(self) -> tuple[str, ...]:
        """Return what is to be named as possible."""
        return (*self.names, *((f"{self.prefix}NAME",) if self.prefix else ()))


@dataclasses.dataclass(frozen=True)
class Field:
    """A setting as a table has it.

    Attributes:
        name: The field's.
        kind: `str`, `int`, `float` or `bool`.
        optional: Whether it may be None.
        default: Its default; `dataclasses.MISSING` if it has none.
        about: What it means.
        range: The numbers it takes; None for any.
        choices: The names it takes; None for any.
    """

    name: str
    kind: type
    optional: bool
    default: Any
    about: str
    range: Range | None = None
    choices: Choices | None = None

    def check_type(self, value: Any) -> None:
        """Refuse a value of another type; a whole number is a number."""
        kinds = (self.kind, *((int,) if self.kind is float else ()), *((type(None),) if self.optional else ()))
        if not isinstance(value, kinds) or (isinstance(value, bool) and self.kind is not bool):
            wanted = f"{self.kind.__name__}{' | None' if self.optional else ''}"
            raise UserError(f"{self.name}={value!r} is of type {type(value).__name__}; expected {wanted}")

    def check(self, value: Any, others: Any) -> None:
        """Refuse a value out of range or not among the choices; `others` has the other settings as attributes."""
        if self.choices and self.choices.names and not self.choices.fits(value):
            raise unknown(self.noun, value, self.choices.shown())
        if self.range is None or (value is None and self.optional):
            return
        other = self.range.high
        high, shown = (getattr(others, other), True) if isinstance(other, str) else (other, False)
        if not self.range.fits(value, high):
            words = self.range.words(self.kind is int, f"{other}={high}" if shown else high)
            raise UserError(f"{self.name}={value!r} is out of range; expected {words}")

    @property
    def noun(self) -> str:
        """What a value is called."""
        return (self.choices and self.choices.noun) or self.name


@functools.cache
def fields(settings: type) -> dict[str, Field]:
    """Return the settings of a dataclass by name, in order: the fields annotated with what they mean.

    Such an annotation is `Annotated[float, "share of …", Range(0, 1)]`, the `Range` or `Choices` being optional.
    """
    hints = typing.get_type_hints(settings, include_extras=True)
    found = {}
    for field in dataclasses.fields(settings):
        about, *limits = getattr(hints[field.name], "__metadata__", ("",))
        if not about:
            continue
        annotated = hints[field.name].__origin__
        kinds = typing.get_args(annotated) or (annotated,)
        found[field.name] = Field(
            name=field.name,
            kind=next(kind for kind in kinds if kind is not type(None)),
            optional=type(None) in kinds,
            default=field.default,
            about=about,
            range=next((limit for limit in limits if isinstance(limit, Range)), None),
            choices=next((limit for limit in limits if isinstance(limit, Choices)), None),
        )
    return found
