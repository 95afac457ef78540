"""Carries out the few pickle instructions that a torch state dict consists of.

A pickle is a program that can call anything. Here it is never run: `pickletools` splits it into its instructions, and
those that build dicts and describe tensors are carried out on plain values. All else is refused by name.

Sources: torch/_utils.py and torch/serialization.py (what a tensor is pickled as), Lib/pickletools.py.
"""

import io
import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

STORAGES = {
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": np.dtype(jnp.bfloat16),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}
DICT = "collections.OrderedDict"
TENSOR = "torch._utils._rebuild_tensor_v2"
PARAMETER = "torch._utils._rebuild_parameter"


class Damaged(Exception):
    """The file is not what torch writes; the text says in what respect."""


@dataclass(frozen=True)
class _Global:
    """The name of a class or function that the pickle asks for; it is never looked up."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A run of numbers kept elsewhere in the file."""

    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """Where on the stack the items of a tuple, list or dict begin."""


def run_pickle(file: io.BytesIO):
    """Return the value that the pickle at the file's position builds, and leave the position behind it.

    Tensors become `Tensor`, storages `Storage`; dicts, lists, tuples, text and numbers are themselves.

    Raises:
        Damaged: The pickle is malformed, or asks for anything that a state dict does not need.
    """
    return _Pickle().run(file)


def short(name: str) -> str:
    """Return a name from the file, safe to print on one line."""
    return repr(name if len(name) <= 100 else name[:100] + "…")


class _Pickle:
    """Carries out the instructions of one pickle on plain values."""

    def __init__(self):
        self.stack: list = []
        self.memo: dict[int, object] = {}

    def run(self, file: io.BytesIO):
        """Return the value that the pickle at the file's position builds, and leave the position behind it."""
        try:
            with warnings.catch_warnings(action="ignore"):  # about escapes in names
                for opcode, argument, _ in pickletools.genops(file):
                    if opcode.name == "STOP":
                        return self._pop()
                    self._step(opcode.name, argument)
        except (ValueError, IndexError, KeyError, TypeError, OverflowError):
            # genops raises ValueError; the others come from a stack that no real pickle would leave.
            raise Damaged("its pickle is malformed or cut short") from None
        raise Damaged("its pickle has no end")

    def _step(self, name: str, argument) -> None:
        if name in _PUSHES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in _TUPLES:
            self.stack.append(tuple([self._pop() for _ in range(_TUPLES[name])][::-1]))
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            what = f"{name} {short(argument)}" if isinstance(argument, str) else name
            raise Damaged(f"its pickle has the instruction {what}, which a state dict does not need (it was not run)")

    def _pop(self):
        return self.stack.pop()

    def _pop_to_mark(self) -> list:
        items = []
        while not isinstance(item := self._pop(), _Mark):
            items.append(item)
        return items[::-1]

    def _global(self, argument: str) -> None:
        self._push_global(argument.replace(" ", ".", 1))

    def _stack_global(self, _) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise Damaged("its pickle asks for an object whose name is no text")
        self._push_global(f"{module}.{name}")

    def _push_global(self, name: str) -> None:
        if name not in STORAGES and name not in (DICT, TENSOR, PARAMETER):
            raise Damaged(f"it asks for {short(name)}, which is no tensor of plain numbers (it was not run)")
        self.stack.append(_Global(name))

    def _tuple(self, _) -> None:
        self.stack.append(tuple(self._pop_to_mark()))

    def _append(self, _) -> None:
        item = self._pop()
        self._top(list).append(item)

    def _appends(self, _) -> None:
        items = self._pop_to_mark()
        self._top(list).extend(items)

    def _set_item(self, _) -> None:
        value, key = self._pop(), self._pop()
        self._set(key, value)

    def _set_items(self, _) -> None:
        items = self._pop_to_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._set(key, value)

    def _set(self, key, value) -> None:
        if type(key) is not str:  # also keeps deeply nested tuples from being hashed
            raise Damaged("it has a dict with a key that is no text")
        self._top(dict)[key] = value

    def _top(self, kind: type):
        if type(self.stack[-1]) is not kind:
            raise Damaged(f"its pickle adds items to something that is no {kind.__name__}")
        return self.stack[-1]

    def _build(self, _) -> None:
        """Drop what is set as attributes of a dict: torch keeps `_metadata` there, the versions of its modules."""
        self._pop()
        self._top(dict)

    def _persistent_id(self, _) -> None:
        """Push the storage that ("storage", type, key, device, count) names; older files add a view, always None."""
        kind, storage, key, device, count, *view = self._pop()
        if not (kind == "storage" and type(storage) is _Global and storage.name in STORAGES and view in ([], [None])):
            raise Damaged("it refers to something that is no storage of plain numbers")
        if not (type(key) is str and type(device) is str and type(count) is int and count >= 0):
            raise Damaged("it refers to a storage that is not described as torch does it")
        self.stack.append(Storage(key, STORAGES[storage.name], count))

    def _reduce(self, _) -> None:
        """Build what a call of one of the three known functions would return."""
        arguments, function = self._pop(), self._pop()
        if type(function) is not _Global or type(arguments) is not tuple:
            raise Damaged("its pickle calls something that is no function")
        if function.name == DICT and not arguments:
            self.stack.append({})
        elif function.name == TENSOR:
            self.stack.append(_tensor(*arguments[:4]))
        elif function.name == PARAMETER and arguments and type(arguments[0]) is Tensor:
            self.stack.append(arguments[0])
        else:
            raise Damaged(f"it calls {function.name!r} in a way that a state dict does not need (it was not run)")


_PUSHES = ("BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_CONSTANTS: dict[str, Callable[[], object]] = {
    "MARK": _Mark,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ACTIONS = {
    "GLOBAL": _Pickle._global,
    "STACK_GLOBAL": _Pickle._stack_global,
    "TUPLE": _Pickle._tuple,
    "APPEND": _Pickle._append,
    "APPENDS": _Pickle._appends,
    "SETITEM": _Pickle._set_item,
    "SETITEMS": _Pickle._set_items,
    "BUILD": _Pickle._build,
    "BINPERSID": _Pickle._persistent_id,
    "REDUCE": _Pickle._reduce,
}


def _tensor(storage, offset, shape, strides) -> Tensor:
    if type(storage) is not Storage or type(shape) is not tuple or type(strides) is not tuple:
        raise Damaged("it has a tensor that is not described as torch does it")
    if len(shape) != len(strides) or len(shape) > 8 or any(type(n) is not int for n in (offset, *shape, *strides)):
        raise Damaged("it has a tensor that is not described as torch does it")
    if not all(0 <= n < 2**31 for n in (offset, *shape, *strides)):
        raise Damaged("it has a tensor with an offset, a shape or strides that are not possible")
    return Tensor(storage, offset, shape, strides)
