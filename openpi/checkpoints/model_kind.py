"""Recognises which model a parameter tree is of, by its paths, and says it when a configuration means another one."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

_EXPERT = re.compile(r".*llm.*_1.*")
_ADAPTER = re.compile(r".*llm.*lora_a")


@dataclasses.dataclass(frozen=True)
class ModelKind:
    """What a parameter tree tells of its model.

    Attributes:
      name: the published model's name.
      config_type: its `config.model.type`.
      evidence: the paths that tell, for people.
      language_lora_rank: rank of the adapters (LoRA) on the language model; 0 without.
      expert_lora_rank: of those on the action expert.
    """

    name: str
    config_type: str
    evidence: str
    language_lora_rank: int = 0
    expert_lora_rank: int = 0

    def __str__(self) -> str:
        ranks = {"language model": self.language_lora_rank, "action expert": self.expert_lora_rank}
        lora = [f"{part} (rank {rank})" for part, rank in ranks.items() if rank]
        return self.name + (f" with LoRA on the {' and the '.join(lora)}" if lora else "")


def recognise(tree: Mapping[str, Any]) -> ModelKind | None:
    """The model that a tree is of, or None if it is none of ours.

    Args:
      tree: leaves, which have `shape`, by "/"-joined path.
    """
    tops = {path.split("/")[0] for path in tree}
    if "action_in_proj" in tops and "time_mlp_in" in tops:
        kind = ("pi0.5", "pi05", "it has time_mlp_in and adaptive norms, and no state_proj")
    elif "action_in_proj" in tops and ("state_proj" in tops or "action_time_mlp_in" in tops):
        kind = ("pi0", "pi0", "it has state_proj and action_time_mlp_in")
    elif tops == {"PaliGemma"} and any(path.startswith("PaliGemma/llm/") for path in tree):
        kind = ("pi0-FAST", "pi0_fast", "it has PaliGemma alone, and no action expert")
    else:
        return None
    ranks = {False: 0, True: 0}
    for path, leaf in tree.items():
        if _ADAPTER.fullmatch(path) and leaf.shape:
            ranks[is_expert(path)] = leaf.shape[-1]
    return ModelKind(*kind, language_lora_rank=ranks[False], expert_lora_rank=ranks[True])


def is_expert(path: str) -> bool:
    """Whether a parameter of the language transformer belongs to the action expert."""
    return _EXPERT.fullmatch(path) is not None


def mismatch(stored: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    """Why a checkpoint is not of the configuration's model, and the field to change; None if it seems to be.

    Args:
      stored: what the checkpoint holds; leaves, which have `shape`, by "/"-joined path.
      expected: what the configuration's model has, likewise.
    """
    is_, wanted = recognise(stored), recognise(expected)
    if is_ is None or wanted is None or is_ == wanted:
        return None
    if is_.name != wanted.name:
        return (
            f"this is a {is_.name} checkpoint ({is_.evidence}), but config.model.type is {wanted.config_type!r}: "
            f"use a configuration with config.model.type {is_.config_type!r}"
        )
    ranks = {
        "language": (is_.language_lora_rank, wanted.language_lora_rank, "the language model"),
        "expert": (is_.expert_lora_rank, wanted.expert_lora_rank, "the action expert"),
    }
    told = [
        f"it has {f'adapters (LoRA) of rank {has}' if has else 'no adapters (LoRA)'} on {part}, but "
        f"config.model.{field}.lora_rank is {wants}: set it to {has}"
        for field, (has, wants, part) in ranks.items()
        if has != wants
    ]
    return f"this is a {is_} checkpoint: {'; '.join(told)}"
