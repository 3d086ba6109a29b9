"""How one array lies in two layouts: an equation such as `NDH->(NH)D`, read forwards and backwards.

Left of the arrow every letter is an axis, and `1` one of size 1. On the right the axes come in another order; those in
parentheses are one axis there, the first of them the slowest; `1` is dropped.
"""

import functools
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

_ONE = "1"


def forward(equation: str, array: np.ndarray) -> np.ndarray:
    """`array`, which lies as on the left, as it lies on the right: a view where numpy can make one."""
    left, right = _parse(equation)
    axes = [axis for axis in left if axis != _ONE]
    squeezed = array.reshape([size for axis, size in zip(left, array.shape) if axis != _ONE])
    order = [axes.index(axis) for group in right for axis in group]
    return squeezed.transpose(order).reshape(forward_shape(equation, array.shape))


def backward(equation: str, array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The inverse of `forward`; `shape` is what lies on the left."""
    left, right = _parse(equation)
    sizes = dict(zip(left, shape))
    order = [axis for group in right for axis in group]
    split = array.reshape([sizes[axis] for axis in order])
    return split.transpose([order.index(axis) for axis in left if axis != _ONE]).reshape(shape)


def forward_shape(equation: str, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape on the right of an array that has `shape` on the left.

    Raises:
      ValueError: `shape` has another number of axes than the equation.
    """
    left, right = _parse(equation)
    if len(left) != len(shape) or any(axis == _ONE and size != 1 for axis, size in zip(left, shape)):
        raise ValueError(f"an array of shape {tuple(shape)} has not the axes {''.join(left)}")
    sizes = dict(zip(left, shape))
    return tuple(math.prod(sizes[axis] for axis in group) for group in right)


def backward_shape(equation: str, shape: Sequence[int], known: Mapping[str, int]) -> tuple[int, ...]:
    """The shape on the left of an array that has `shape` on the right.

    Args:
      equation: the equation.
      shape: what lies on the right.
      known: sizes of axes; of the axes that are one on the right, all but one must be known.

    Raises:
      ValueError: `shape` has another number of axes, or one that the known sizes do not divide.
    """
    left, right = _parse(equation)
    if len(right) != len(shape):
        raise ValueError(f"an array of shape {tuple(shape)} has not the axes {equation.partition('->')[2]}")
    sizes = {_ONE: 1}
    for group, size in zip(right, shape):
        inner = {axis: known[axis] for axis in group if axis in known and len(group) > 1}
        rest = size // max(math.prod(inner.values()), 1)
        if rest * math.prod(inner.values()) != size:
            raise ValueError(f"an axis of {size} is no multiple of {math.prod(inner.values())} ({', '.join(inner)})")
        sizes |= {axis: inner.get(axis, rest) for axis in group}
    return tuple(sizes[axis] for axis in left)


@functools.cache
def _parse(equation: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`NDH->(NH)D` as `(N, D, H)` and `(NH, D)`."""
    left, right = equation.split("->")
    return tuple(left), tuple(group.strip("()") for group in re.findall(r"\(\w+\)|\w", right))
