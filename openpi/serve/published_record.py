"""Reads the published recorder's files without running what is in them.

Such a file is an `.npy` that holds a pickle, and a pickle is a program. Before it is run every instruction is looked at: those
that build plain containers, texts and numbers are allowed, and four names, behind which stand this file's own stand-ins for numpy's.
Anything else is refused by its name. Arrays are made from the checked parts afterwards.

Source of the format: spec of the published recorder: a flat dict, `inputs/...` and `outputs/...`, in a 0-d array of objects.
"""

import io
import pathlib
import pickle
import pickletools
from typing import Any

import numpy as np
from numpy.lib import format as npy

from openpi.client import msgpack_numpy

MAX_BYTES = 256 * 2**20
_MAX_INSTRUCTIONS = 10_000
_MAX_DEPTH = 16
_NAMES = {
    **{f"{core}.multiarray._reconstruct": "array" for core in ("numpy.core", "numpy._core")},
    **{f"{core}.multiarray.scalar": "scalar" for core in ("numpy.core", "numpy._core")},
    "numpy.ndarray": "ndarray",
    "numpy.dtype": "dtype",
}
_ALLOWED = frozenset(
    {"PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "NONE", "NEWTRUE", "NEWFALSE"}
    | {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
    | {"SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
    | {"EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
    | {"APPEND", "APPENDS", "SETITEM", "SETITEMS"}
    | {"MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"}
    | {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"}
)


def read(path: str | pathlib.Path) -> dict[str, Any]:
    """The flat dict of a file: path in the observation or result → array, number, text, bool or None.

    Raises:
      OSError: it cannot be read.
      ValueError: it is not such a file, or holds anything else.
    """
    path = pathlib.Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES} bytes")
    file = io.BytesIO(path.read_bytes())
    try:
        version = npy.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"version {version} of .npy")
        shape, _, dtype = npy.read_array_header_1_0(file)
        if shape != () or dtype != np.dtype(object):
            raise ValueError(f"an array of {dtype} and shape {shape}")
        values = _unpickle(file.read())
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise ValueError("no dict of texts")
        return values
    except ValueError as error:
        text = " ".join(str(error).split())
        raise ValueError(f"{path} is no file of the published recorder: {text}") from None


def _unpickle(data: bytes) -> Any:
    _check_instructions(data)
    try:
        outer = _Unpickler(io.BytesIO(data)).load()
    except ValueError:
        raise
    # An unpickler raises what it likes on instructions that do not fit together.
    except Exception as error:  # noqa: BLE001
        raise ValueError(f"its instructions do not fit together ({type(error).__name__})") from None
    if not isinstance(outer, _Array) or outer.objects is None or len(outer.objects) != 1:
        raise ValueError("no single object")
    return _plain(outer.objects[0], 0)


def _check_instructions(data: bytes) -> None:
    """Raises ValueError for the first instruction that is not allowed; none is run."""
    for count, (instruction, argument, _) in enumerate(pickletools.genops(data), 1):
        if instruction.name not in _ALLOWED:
            raise ValueError(f"it has the instruction {instruction.name}")
        if count > _MAX_INSTRUCTIONS:
            raise ValueError(f"it has more than {_MAX_INSTRUCTIONS} instructions")
        # An unpickler reserves room for so many objects.
        if instruction.name in ("BINPUT", "LONG_BINPUT") and argument > _MAX_INSTRUCTIONS:
            raise ValueError(f"it numbers an object {argument}")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _NAMES:
            raise ValueError(f"it names {module}.{name}, which is not read")
        return _Name(_NAMES[f"{module}.{name}"])


class _Name:
    """Stands for one of numpy's names; called, it notes what numpy would have been given."""

    def __init__(self, kind: str):
        self.kind = kind

    def __call__(self, *arguments: Any) -> Any:
        if self.kind == "array":
            return _Array()
        if self.kind == "dtype" and arguments and isinstance(arguments[0], str):
            return _Dtype(arguments[0])
        if self.kind == "scalar" and len(arguments) == 2:
            return _Scalar(*arguments)
        raise ValueError(f"it calls numpy's {self.kind} in an unknown way")

    def __setstate__(self, state: Any) -> None:
        raise ValueError(f"it changes numpy's {self.kind}")


class _Dtype:
    def __init__(self, code: str):
        self.code = code

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise ValueError(f"an array has the byte order {order!r:.20}")
        self.code = order + self.code


class _Scalar:
    def __init__(self, dtype: Any, data: Any):
        self.dtype, self.data = dtype, data

    def __setstate__(self, state: Any) -> None:
        raise ValueError("it changes a number")

    def value(self) -> Any:
        return _make(self.data, self.dtype, [])[()]


class _Array:
    """What numpy would set an array to; `objects` are those of an array of objects."""

    def __init__(self) -> None:
        self.parts: tuple[Any, Any, Any, Any] | None = None
        self.objects: list[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("it sets an array in an unknown way")
        _, shape, dtype, fortran, data = state
        if isinstance(dtype, _Dtype) and dtype.code == "|O8" and shape == () and isinstance(data, list):
            self.objects = data
        self.parts = (shape, dtype, fortran, data)

    def value(self) -> np.ndarray:
        if self.parts is None:
            raise ValueError("an array is never set")
        shape, dtype, fortran, data = self.parts
        axes = list(shape) if isinstance(shape, tuple) else shape
        if fortran is True and isinstance(axes, list):
            return _make(data, dtype, axes[::-1]).T
        return _make(data, dtype, axes)


def _make(data: Any, dtype: Any, shape: Any) -> np.ndarray:
    return msgpack_numpy.read_array(data, dtype.code if isinstance(dtype, _Dtype) else None, shape)


def _plain(value: Any, depth: int) -> Any:
    """The value with arrays in place of what stands for them."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"it nests deeper than {_MAX_DEPTH}")
    if isinstance(value, _Array | _Scalar):
        return value.value()
    if isinstance(value, dict):
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(f"it holds a {type(value).__name__.strip('_')}")
