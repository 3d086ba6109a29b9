"""A robot's numbers in a model's signs and units, and back: what the conversions of a description do."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from openpi.client import robot_description

_LEAST_POSITION = 1e-6  # m, of a gripper's finger from the axis that drives it

_Constants = Mapping[str, tuple[float, ...]]
_Function = Callable[[np.ndarray, _Constants], np.ndarray]


def to_model(
    values: np.ndarray, names: Sequence[str], conversions: Sequence[robot_description.Conversion]
) -> np.ndarray:
    """Applies `conversions` to `values` [..., D], whose dims have these names: float64, or the same array without any."""
    return _apply(values, names, conversions, {kind: there for kind, (there, _) in _KINDS.items()})


def to_robot(
    values: np.ndarray, names: Sequence[str], conversions: Sequence[robot_description.Conversion]
) -> np.ndarray:
    """Undoes `to_model`: the conversions backwards, the last one first."""
    return _apply(values, names, tuple(reversed(conversions)), {kind: back for kind, (_, back) in _KINDS.items()})


def _apply(
    values: np.ndarray,
    names: Sequence[str],
    conversions: Sequence[robot_description.Conversion],
    functions: Mapping[str, _Function],
) -> np.ndarray:
    if not conversions:
        return values
    converted = np.array(values, np.float64)
    for conversion in conversions:
        dims = [list(names).index(name) for name in conversion.dims]
        converted[..., dims] = functions[conversion.kind](converted[..., dims], conversion.constants)
    return converted


def _flip(x: np.ndarray, _: _Constants) -> np.ndarray:
    return -x


def _degrees_to_radians(x: np.ndarray, _: _Constants) -> np.ndarray:
    return np.deg2rad(x)


def _radians_to_degrees(x: np.ndarray, _: _Constants) -> np.ndarray:
    return np.rad2deg(x)


def _to_model_range(x: np.ndarray, constants: _Constants) -> np.ndarray:
    return _map_linearly(x, constants["robot"], constants["model"])


def _to_robot_range(x: np.ndarray, constants: _Constants) -> np.ndarray:
    return _map_linearly(x, constants["model"], constants["robot"])


def _map_linearly(x: np.ndarray, old: tuple[float, ...], new: tuple[float, ...]) -> np.ndarray:
    return (x - old[0]) / (old[1] - old[0]) * (new[1] - new[0]) + new[0]


def _opening_to_angle(opening: np.ndarray, constants: _Constants) -> np.ndarray:
    """Law of cosines in the triangle of horn, arm and finger position; the angle as a fraction of its range."""
    (horn,), (arm,) = constants["horn"], constants["arm"]
    # Beyond the finger's stop, towards the horn's axis, the angle stays; there is no position behind the axis.
    position = np.maximum(_map_linearly(opening, (0.0, 1.0), constants["position"]), _LEAST_POSITION)
    ratio = (horn**2 + position**2 - arm**2) / (2 * horn * position)
    return _map_linearly(np.arcsin(np.clip(ratio, -1.0, 1.0)), constants["angle"], (0.0, 1.0))


def _angle_to_opening(fraction: np.ndarray, constants: _Constants) -> np.ndarray:
    """The finger position that closes the triangle, for an arm that is longer than the horn."""
    (horn,), (arm,) = constants["horn"], constants["arm"]
    sine = np.sin(_map_linearly(fraction, (0.0, 1.0), constants["angle"]))
    position = horn * sine + np.sqrt(np.maximum(arm**2 - horn**2 * (1 - sine**2), 0.0))
    return _map_linearly(position, constants["position"], (0.0, 1.0))


# kind → (to the model, to the robot)
_KINDS: Mapping[str, tuple[_Function, _Function]] = {
    "flip": (_flip, _flip),
    "degrees": (_degrees_to_radians, _radians_to_degrees),
    "linear": (_to_model_range, _to_robot_range),
    "linkage": (_opening_to_angle, _angle_to_opening),
}
