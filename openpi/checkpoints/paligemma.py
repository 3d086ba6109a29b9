"""Reads the vision-language weights of a published PaliGemma file (`.npz`) under the paths of our models."""

import contextlib
import math
import pathlib
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import ml_dtypes
import numpy as np
from flax import traverse_util

from openpi.checkpoints import merge

_PREFIX = "PaliGemma/"
_BFLOAT16 = np.dtype("V2")  # numpy writes what it has no type for as bytes


class _Member(NamedTuple):
    """What the header of one array says."""

    name: str  # in the zip
    shape: tuple[int, ...]
    dtype: np.dtype


def read_params(path: str | pathlib.Path, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Reads what a model has of PaliGemma. Shapes and dtypes are checked before any array is read; others are not read.

    Args:
      path: the file; its arrays are named `params/llm/...` and `params/img/...`.
      expected: the model's tree; leaves have `shape` and `dtype`.

    Returns:
      A part of that tree, as numpy arrays in its dtypes: all that the file has.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, is not PaliGemma, or has other shapes: one line with the first paths.
    """
    path = pathlib.Path(path).expanduser().absolute()
    if not path.is_file():
        raise FileNotFoundError(f"no PaliGemma weights at {path}; give a PaliGemma .npz file, such as pt_224.npz")
    wanted = traverse_util.flatten_dict(expected, sep="/")
    with _damage(path), zipfile.ZipFile(path) as archive:
        held = set(archive.namelist())
        members = {leaf: _member(archive, name) for leaf in wanted if (name := _name(leaf)) in held}
        if not members:
            raise ValueError(
                f"{path} has no array params/llm/... or params/img/... of this model; give a PaliGemma file, such as pt_224.npz"
            )
        shapes = {leaf: jax.ShapeDtypeStruct(member.shape, np.float32) for leaf, member in members.items()}
        merge.check(_nest(shapes), _nest({leaf: wanted[leaf] for leaf in members}), what=f"the weights in {path}")
        return _nest({leaf: _read(archive, member, wanted[leaf].dtype) for leaf, member in members.items()})


def _name(path: str) -> str:
    """The zip's name for a path of ours."""
    return f"params/{path.removeprefix(_PREFIX)}.npy" if path.startswith(_PREFIX) else ""


def _member(archive: zipfile.ZipFile, name: str) -> _Member:
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):  # others are for headers of more than 64 KiB, which no weights have
            raise ValueError(f"{name} has the unknown format {version}")
        try:
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        except (SyntaxError, tokenize.TokenError, MemoryError) as error:  # of numpy's parser, beside ValueError
            raise ValueError(f"the header of {name} makes no sense") from error
        bytes_left = archive.getinfo(name).file_size - file.tell()
    if not np.issubdtype(dtype, np.floating) and dtype != _BFLOAT16:
        raise ValueError(f"{name} holds {dtype}, and weights are floating point")
    if math.prod(shape) * dtype.itemsize != bytes_left:
        raise ValueError(f"{name} of shape {shape} and type {dtype} has {bytes_left} bytes")
    return _Member(name, shape, dtype)


def _read(archive: zipfile.ZipFile, member: _Member, dtype: np.typing.DTypeLike) -> np.ndarray:
    with archive.open(member.name) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    return np.ascontiguousarray(array.view(ml_dtypes.bfloat16) if member.dtype == _BFLOAT16 else array, dtype)


@contextlib.contextmanager
def _damage(path: pathlib.Path) -> Iterator[None]:
    """Says which file is meant by what zipfile and numpy raise on garbage."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"damaged PaliGemma weights {path}: {error}; download them again") from error
    except ValueError as error:
        if str(path) in str(error):
            raise
        text = " ".join(str(error).split())[:300]
        raise ValueError(f"damaged PaliGemma weights {path}: {text}; download them again") from error


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    return traverse_util.unflatten_dict(dict(flat), sep="/")
