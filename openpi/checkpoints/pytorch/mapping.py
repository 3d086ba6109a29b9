"""From the mapping table to the tensors of a whole model, and back."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from openpi.checkpoints.pytorch import axes, table

_LAYER = re.compile(r"\.layers\.(0|[1-9]\d{0,3})\.")


class Tensor(NamedTuple):
    """One PyTorch tensor: `leaf[at]` of our parameter, its axes as the equation says."""

    name: str
    path: str
    at: tuple[int, ...]
    equation: str
    shape: tuple[int, ...]  # in PyTorch


def tensors(path: str, shape: tuple[int, ...]) -> list[Tensor]:
    """The PyTorch tensors of one parameter.

    Args:
      path: ours, in `table.TABLE`.
      shape: ours.

    Raises:
      ValueError: the shape has another number of axes than that parameter.
    """
    rule = table.TABLE[path]
    try:
        if len(rule.names) > 1 and shape[rule.leading - 1 : rule.leading] != (len(rule.names),):
            raise ValueError(f"axis {rule.leading - 1} must count {len(rule.names)} matrices")
        theirs = axes.forward_shape(rule.equation, shape[rule.leading :])
    except ValueError as error:
        raise ValueError(f"{path} of shape {tuple(shape)} is no parameter of pi0 or pi0.5: {error}") from error
    return [
        Tensor(
            name=name.format(layer=layer),
            path=path,
            at=(layer,) * rule.layered + (number,) * (len(rule.names) > 1),
            equation=rule.equation,
            shape=theirs,
        )
        for layer in range(shape[0] if rule.layered else 1)
        for number, name in enumerate(rule.names)
    ]


def tree_tensors(shapes: Mapping[str, tuple[int, ...]]) -> list[Tensor]:
    """The PyTorch tensors of a model.

    Args:
      shapes: path of ours -> shape.

    Raises:
      ValueError: the layout has no place for a parameter (LoRA adapters, for instance), or wants one that is not there.
    """
    _check_paths(shapes)
    return [tensor for path, shape in shapes.items() for tensor in tensors(path, tuple(shape))]


def _check_paths(paths: Collection[str]) -> None:
    """Raises ValueError, in one line, unless the paths are all that a model has."""
    if foreign := [path for path in paths if path not in table.TABLE]:
        why = "LoRA adapters have none: train without them" if "lora" in foreign[0] else "it holds pi0 and pi0.5 only"
        raise ValueError(f"the PyTorch layout has no place for {foreign[0]}{_more(foreign)}; {why}")
    kind = table.kind_of(paths)
    if kind is None:
        raise ValueError("the parameters are neither pi0's nor pi0.5's: no PyTorch layout is known for them")
    if missing := [path for path in table.paths_of(kind) if path not in paths]:
        raise ValueError(f"the parameters lack {missing[0]}{_more(missing)}, which {kind} has in PyTorch")
    if odd := [path for path in paths if path not in table.paths_of(kind)]:
        raise ValueError(f"the parameters have {odd[0]}{_more(odd)}, which {kind} has not in PyTorch")


def _more(found: list[str]) -> str:
    return f" and {len(found) - 1} more" if len(found) > 1 else ""


def find_rules(names: Iterable[str]) -> dict[str, tuple[table.Rule, set[int]]]:
    """The parameters that a file's tensors make up, with the layers that were seen (empty if the rule has none)."""
    by_name = {name: rule for rule in table.TABLE.values() for name in rule.names}
    found: dict[str, tuple[table.Rule, set[int]]] = {}
    for name in names:
        match = _LAYER.search(name)
        template = _LAYER.sub(".layers.{layer}.", name, count=1)
        if rule := by_name.get(template):
            layers = found.setdefault(rule.path, (rule, set()))[1]
            if match and rule.layered:
                layers.add(int(match[1]))
    return found
