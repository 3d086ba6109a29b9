"""Zero padding of states and actions up to the model's width."""

import dataclasses

import numpy as np


def pad_to_dim(x: np.ndarray, target_dim: int, axis: int = -1, value: float = 0.0) -> np.ndarray:
    """Pads `x` at the end of `axis` up to `target_dim`; returns it unchanged if it is as long or longer."""
    missing = target_dim - x.shape[axis]
    if missing <= 0:
        return x
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, missing)
    return np.pad(x, widths, constant_values=value)


@dataclasses.dataclass(frozen=True)
class PadStatesAndActions:
    """Pads the last axis of `state` and, where there are any, of `actions` with zeros."""

    model_action_dim: int

    def __call__(self, data: dict) -> dict:
        padded = {key: pad_to_dim(data[key], self.model_action_dim) for key in ("state", "actions") if key in data}
        return {**data, **padded}
