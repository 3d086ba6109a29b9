"""What the numbers of stored arrays are, and how those of two differ; computed piece by piece, in float64."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from openpi.checkpoints import array_reader, stored_tree


@dataclasses.dataclass
class Values:
    """Figures of an array, of its finite elements where nothing else is said; None without any."""

    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    nan: int = 0
    inf: int = 0


@dataclasses.dataclass
class Difference:
    """How two arrays of one shape differ. An element that is NaN in both, or the same infinity, is equal.

    Attributes:
      equal: whether every element is.
      unequal: how many are not.
      max_abs: the largest difference; infinite if NaN or an infinity meets something else.
      rms: root of the mean square difference.
    """

    equal: bool = True
    unequal: int = 0
    max_abs: float = 0.0
    rms: float = 0.0


def measure(arrays: Mapping[str, stored_tree.StoredArray]) -> dict[str, Values]:
    """Reads arrays and returns the figures of each.

    Raises:
      ValueError or others of `stored_tree.DAMAGE`: the files are damaged.
    """
    found = [Values() for _ in arrays]
    moments = [_Moments() for _ in arrays]
    groups = [[array] for array in arrays.values()]
    for index, (block,) in array_reader.read_blocks(groups, title="reading values"):
        _add(found[index], moments[index], block)
    for values, moment in zip(found, moments, strict=True):
        if moment.count:
            values.mean, values.std = moment.mean, math.sqrt(moment.squares / moment.count)
    return dict(zip(arrays, found, strict=True))


def compare(
    a: Mapping[str, stored_tree.StoredArray], b: Mapping[str, stored_tree.StoredArray]
) -> dict[str, Difference]:
    """Reads the arrays that are in both with one shape, and returns how each differs.

    Raises:
      ValueError or others of `stored_tree.DAMAGE`: the files are damaged.
    """
    paths = [path for path in a if path in b and a[path].shape == b[path].shape]
    found = [Difference() for _ in paths]
    squares = [0.0] * len(paths)
    for index, (ours, theirs) in array_reader.read_blocks([[a[path], b[path]] for path in paths], title="comparing"):
        x, y = _as_float64(ours), _as_float64(theirs)
        unequal = (x != y) & ~(np.isnan(x) & np.isnan(y))
        if not unequal.any():
            continue
        with np.errstate(invalid="ignore"):
            off = np.abs(x[unequal] - y[unequal])
        off[np.isnan(off)] = math.inf
        result = found[index]
        result.equal = False
        result.unequal += off.size
        result.max_abs = max(result.max_abs, float(off.max()))
        squares[index] += float(np.square(off).sum())
    for path, result, square in zip(paths, found, squares, strict=True):
        result.rms = math.sqrt(square / a[path].size) if a[path].size else 0.0
    return dict(zip(paths, found, strict=True))


def as_json(figures: Values | Difference) -> dict[str, Any]:
    """A dict that JSON can hold: an infinity as text."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in dataclasses.asdict(figures).items()
    }


@dataclasses.dataclass
class _Moments:
    """Count, mean and summed squared deviation of what was seen, joined as Chan, Golub and LeVeque (1983) do."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: np.ndarray) -> None:
        count, mean = self.count + values.size, float(values.mean())
        off = mean - self.mean
        self.squares += float(np.square(values - mean).sum()) + off**2 * self.count * values.size / count
        self.mean += off * values.size / count
        self.count = count


def _add(values: Values, moments: _Moments, block: np.ndarray) -> None:
    x = _as_float64(block).ravel()
    finite = x[np.isfinite(x)]
    nan = int(np.isnan(x).sum())
    values.nan += nan
    values.inf += x.size - finite.size - nan
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        values.min = low if values.min is None else min(values.min, low)
        values.max = high if values.max is None else max(values.max, high)
        moments.add(finite)


def _as_float64(block: np.ndarray) -> np.ndarray:
    return block.astype(np.float64)
