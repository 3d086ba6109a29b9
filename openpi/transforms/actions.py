"""Action chunks: relative to the current state and back, thinned out."""

import dataclasses
from collections.abc import Sequence

import numpy as np


def make_bool_mask(*dims: int) -> tuple[bool, ...]:
    """Returns n Trues for each positive n and |n| Falses for each negative one: `(2, -1)` → True, True, False."""
    return tuple(dim > 0 for dim in dims for _ in range(abs(dim)))


@dataclasses.dataclass(frozen=True)
class DeltaActions:
    """Makes actions relative to the state at the start of their chunk (not to the step before).

    Attributes:
      mask: which of the first `len(mask)` dims become relative; the rest stay absolute. None changes nothing.
    """

    mask: Sequence[bool] | None

    def __call__(self, data: dict) -> dict:
        """Subtracts `state` [..., A] from `actions` [..., H, A], in the actions' dtype, or float64 if that is of integers."""
        return _add_state(data, self.mask, -1)


@dataclasses.dataclass(frozen=True)
class AbsoluteActions:
    """Undoes DeltaActions of the same mask: adds the state to the masked dims."""

    mask: Sequence[bool] | None

    def __call__(self, data: dict) -> dict:
        """Adds `state` [..., A] to `actions` [..., H, A], in the actions' dtype, or float64 if that is of integers."""
        return _add_state(data, self.mask, 1)


@dataclasses.dataclass(frozen=True)
class SubsampleActions:
    """Keeps every `stride`-th action of a chunk, the first among them."""

    stride: int

    def __call__(self, data: dict) -> dict:
        return {**data, "actions": data["actions"][:: self.stride]}


def _add_state(data: dict, mask: Sequence[bool] | None, sign: int) -> dict:
    if mask is None or "actions" not in data:
        return data
    actions, state = _floating(np.array(data["actions"])), _floating(np.asarray(data["state"]))
    dims = len(mask)
    if min(actions.shape[-1], state.shape[-1]) < dims:
        raise ValueError(
            f"the mask of relative actions has {dims} dims, more than actions {actions.shape} or state {state.shape}"
        )
    actions[..., :dims] += sign * np.where(mask, state[..., :dims], 0)[..., None, :]
    return {**data, "actions": actions}


def _floating(x: np.ndarray) -> np.ndarray:
    """Integers as float64: their differences are no integers, or wrap around."""
    return x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float64)
