"""How the published PyTorch layouts spell their tensors' names, and what they hold beside the weights of pi0 and pi0.5.

`openpi`: the PyTorch port, the spelling of `table`. `lerobot`: the same behind `model.`; files of LeRobot before 0.4
have PaliGemma's parts in another order, which is read but not written.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from openpi.checkpoints.pytorch import mapping, table

LAYOUTS = ("openpi", "lerobot")
PREFIX = {"openpi": "", "lerobot": "model."}

# PaliGemma's vocabulary head and its embedding are one tensor under two names; writers keep the first of them.
TIED_HEAD = table.MODEL + "paligemma.lm_head.weight"
# The expert has a head of its own, which nothing uses; loaders that are strict ask for it.
EXPERT_HEAD = table.MODEL + "gemma_expert.lm_head.weight"

_OLD = (
    (table.MODEL + "paligemma.language_model.lm_head.", table.MODEL + "paligemma.lm_head."),
    (table.MODEL + "paligemma.language_model.model.", table.MODEL + "paligemma.model.language_model."),
    (table.MODEL + "paligemma.vision_tower.", table.MODEL + "paligemma.model.vision_tower."),
    (table.MODEL + "paligemma.multi_modal_projector.", table.MODEL + "paligemma.model.multi_modal_projector."),
)

# What may lie beside the weights and is left out, each for its reason; any other unknown name is an error.
_IGNORED = {
    "the expert's vocabulary, which nothing uses": re.escape(table.MODEL)
    + r"gemma_expert\.(lm_head|model\.embed_tokens)\.weight",
    "statistics that old LeRobot files carry": r"(normalize_inputs|normalize_targets|unnormalize_outputs)\..*",
    "constants that old files carry": re.escape(table.MODEL) + r".*\.(position_ids|rotary_emb\.inv_freq)",
}


class Names(NamedTuple):
    """The names of a file."""

    layout: str  # in LAYOUTS
    kind: str  # in table.KINDS
    sources: dict[str, str]  # name in `table` -> name in the file


def resolve(names: Iterable[str], where: str) -> Names:
    """Finds out which layout and which model the names of a file are.

    Args:
      names: of its tensors.
      where: names the file in errors.

    Raises:
      ValueError: they are not those of pi0 or pi0.5.
    """
    names = sorted(names)
    layout = "lerobot" if any(name.startswith(PREFIX["lerobot"]) for name in names) else "openpi"
    sources: dict[str, str] = {}
    tied: dict[str, str] = {}
    for name in names:
        canonical = _canonical(name, layout)
        if canonical == TIED_HEAD:
            tied[table.EMBEDDING] = name
        elif not any(re.fullmatch(pattern, canonical) for pattern in _IGNORED.values()):
            sources[canonical] = name
    sources = tied | sources
    return Names(layout, _kind(sources, names, where), sources)


def spell(name: str, layout: str) -> str:
    """The name that a tensor of `table` has in a file of that layout."""
    return PREFIX[layout] + (TIED_HEAD if name == table.EMBEDDING else name)


def _canonical(name: str, layout: str) -> str:
    name = name.removeprefix(PREFIX[layout])
    for old, new in _OLD:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _kind(sources: Iterable[str], names: list[str], where: str) -> str:
    found = mapping.find_rules(sources)
    if (kind := table.kind_of(found)) is not None:
        return kind
    if "PaliGemma/llm/layers/mlp/linear" in found:
        raise ValueError(
            f"{where} holds PaliGemma without an action expert (pi0-FAST, or PaliGemma itself); pi0 and pi0.5 can be read"
        )
    raise ValueError(
        f"{where} is no pi0 or pi0.5 in a PyTorch layout: it has {', '.join(map(repr, names[:3])) or 'no tensors'}"
        f"{', ...' if len(names) > 3 else ''}, but neither action_time_mlp_in.weight nor time_mlp_in.weight"
    )
