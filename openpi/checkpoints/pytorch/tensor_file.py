"""A safetensors file, read and written tensor by tensor, so that no more than one tensor is in memory.

The format: 8 bytes, the header's length; the header, JSON: name -> dtype, shape, first and last byte; the tensors.
"""

import json
import math
import pathlib
import types
from collections.abc import Mapping
from typing import NamedTuple, Self

import ml_dtypes
import numpy as np
import safetensors

_DTYPES = {
    "F32": np.dtype(np.float32),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F16": np.dtype(np.float16),
}  # in the order in which the library lays tensors out
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


class Spec(NamedTuple):
    """What the header says of a tensor."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Reader:
    """Use it as a context manager. Opening checks that the header and the file's length agree."""

    def __init__(self, path: pathlib.Path) -> None:
        """
        Raises:
          FileNotFoundError: there is no such file.
          ValueError: it is damaged, or holds numbers of a kind that weights do not have.
        """
        self._path = path
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}; give a .safetensors file")
        try:
            self._file = safetensors.safe_open(path, "numpy")
        except safetensors.SafetensorError as error:
            raise ValueError(f"damaged safetensors file {path}: {error}; copy or download it again") from error
        self.metadata: dict[str, str] = self._file.metadata() or {}
        self.specs = {name: self._spec(name) for name in self._file.keys()}  # noqa: SIM118 (it is no dict)

    def _spec(self, name: str) -> Spec:
        header = self._file.get_slice(name)
        if header.get_dtype() not in _DTYPES:
            raise ValueError(
                f"{name} in {self._path} is {header.get_dtype()}; weights are {', '.join(_DTYPES)}: export it as one of them"
            )
        return Spec(tuple(header.get_shape()), _DTYPES[header.get_dtype()])

    def read(self, name: str) -> np.ndarray:
        return self._file.get_tensor(name)

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)


class Writer:
    """Makes a file of tensors that come in any order. Use it as a context manager; zeros need no writing."""

    def __init__(self, path: pathlib.Path, specs: Mapping[str, Spec], metadata: Mapping[str, str]) -> None:
        """
        Args:
          path: a new file.
          specs: name -> shape and dtype (float32, bfloat16 or float16) of every tensor.
          metadata: text for the header.
        """
        dtypes = list(_DTYPES.values())
        order = sorted(specs, key=lambda name: (dtypes.index(specs[name].dtype), name))
        header: dict[str, object] = {"__metadata__": dict(metadata)}
        self._specs = specs
        self._offsets: dict[str, int] = {}
        offset = 0
        for name in order:
            shape, dtype = specs[name]
            end = offset + math.prod(shape) * dtype.itemsize
            header[name] = {"dtype": _CODES[dtype], "shape": list(shape), "data_offsets": [offset, end]}
            self._offsets[name] = offset
            offset = end
        encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        encoded += b" " * (-len(encoded) % 8)
        self._file = path.open("xb")
        self._file.write(len(encoded).to_bytes(8, "little") + encoded)
        self._start = self._file.tell()
        self._file.truncate(self._start + offset)

    def write(self, name: str, array: np.ndarray) -> None:
        """Writes one tensor, cast to its dtype."""
        shape, dtype = self._specs[name]
        if array.shape != shape:
            raise ValueError(f"{name} has the shape {array.shape}, but {shape} was announced")
        self._file.seek(self._start + self._offsets[name])
        self._file.write(np.ascontiguousarray(array, dtype).reshape(-1).view(np.uint8).data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: types.TracebackType | None) -> None:
        self._file.close()
