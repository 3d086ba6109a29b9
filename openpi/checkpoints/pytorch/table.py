"""The mapping table: every parameter of pi0 and pi0.5, its PyTorch tensors, and how the axes of each change places.

Names are those of the published PyTorch port; other spellings of them are in `names`. Norms are the same numbers on both
sides: Gemma scales by `1 + weight` in either.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

MODEL = "paligemma_with_expert."
EMBEDDING = MODEL + "paligemma.model.language_model.embed_tokens.weight"
_TOWER = MODEL + "paligemma.model.vision_tower.vision_model."
_BLOCK = _TOWER + "encoder.layers.{layer}."
_PROJECTOR = MODEL + "paligemma.model.multi_modal_projector.linear."
_EXPERTS = {
    "": MODEL + "paligemma.model.language_model.",
    "_1": MODEL + "gemma_expert.model.",
}  # by suffix of our paths


class Rule(NamedTuple):
    """One parameter of ours and its tensors.

    A name with `{layer}` stands for one tensor per layer, which the parameter's first axis counts. With several names,
    its next axis counts those.
    """

    path: str
    names: tuple[str, ...]
    equation: str  # of the axes that are left, ours->theirs; see `axes`

    @property
    def layered(self) -> bool:
        return "{layer}" in self.names[0]

    @property
    def leading(self) -> int:
        """How many axes of ours count tensors."""
        return self.layered + (len(self.names) > 1)


def _linear(path: str, name: str) -> list[Rule]:
    return [Rule(path + "kernel", (name + "weight",), "IO->OI"), Rule(path + "bias", (name + "bias",), "O->O")]


def _layer_norm(path: str, name: str) -> list[Rule]:
    return [Rule(path + "scale", (name + "weight",), "D->D"), Rule(path + "bias", (name + "bias",), "D->D")]


def _rms_norm(path: str, name: str) -> list[Rule]:
    """Plain; or adaptive, in pi0.5's action expert: scale, shift and gate from one linear layer."""
    plain = Rule(path + "scale", (name + "weight",), "D->D")
    return [plain, *_linear(path + "Dense_0/", name + "dense.")] if path.endswith("_1/") else [plain]


def _tower() -> list[Rule]:
    path, block = "PaliGemma/img/", "PaliGemma/img/Transformer/encoderblock/"
    attention = block + "MultiHeadDotProductAttention_0/"
    rules = [
        Rule(path + "embedding/kernel", (_TOWER + "embeddings.patch_embedding.weight",), "YXCD->DCYX"),
        Rule(path + "embedding/bias", (_TOWER + "embeddings.patch_embedding.bias",), "D->D"),
        Rule(path + "pos_embedding", (_TOWER + "embeddings.position_embedding.weight",), "1PD->PD"),
        *_layer_norm(block + "LayerNorm_0/", _BLOCK + "layer_norm1."),
        *_layer_norm(block + "LayerNorm_1/", _BLOCK + "layer_norm2."),
        *_linear(block + "MlpBlock_0/Dense_0/", _BLOCK + "mlp.fc1."),
        *_linear(block + "MlpBlock_0/Dense_1/", _BLOCK + "mlp.fc2."),
        Rule(attention + "out/kernel", (_BLOCK + "self_attn.out_proj.weight",), "NHD->D(NH)"),
        Rule(attention + "out/bias", (_BLOCK + "self_attn.out_proj.bias",), "D->D"),
        *_layer_norm(path + "Transformer/encoder_norm/", _TOWER + "post_layernorm."),
        *_linear(path + "head/", _PROJECTOR),
    ]
    for ours, theirs in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
        rules += [
            Rule(f"{attention}{ours}/kernel", (f"{_BLOCK}self_attn.{theirs}.weight",), "DNH->(NH)D"),
            Rule(f"{attention}{ours}/bias", (f"{_BLOCK}self_attn.{theirs}.bias",), "NH->(NH)"),
        ]
    return rules


def _expert(suffix: str, name: str) -> list[Rule]:
    layer, path = name + "layers.{layer}.", "PaliGemma/llm/layers/"
    attention, mlp = layer + "self_attn.", layer + "mlp."
    return [
        Rule(f"{path}attn/q_einsum{suffix}/w", (attention + "q_proj.weight",), "NDH->(NH)D"),
        Rule(
            f"{path}attn/kv_einsum{suffix}/w", (attention + "k_proj.weight", attention + "v_proj.weight"), "KDH->(KH)D"
        ),
        Rule(f"{path}attn/attn_vec_einsum{suffix}/w", (attention + "o_proj.weight",), "NHD->D(NH)"),
        Rule(f"{path}mlp{suffix}/gating_einsum", (mlp + "gate_proj.weight", mlp + "up_proj.weight"), "DF->FD"),
        Rule(f"{path}mlp{suffix}/linear", (mlp + "down_proj.weight",), "FD->DF"),
        *_rms_norm(f"{path}pre_attention_norm{suffix}/", layer + "input_layernorm."),
        *_rms_norm(f"{path}pre_ffw_norm{suffix}/", layer + "post_attention_layernorm."),
        *_rms_norm(f"PaliGemma/llm/final_norm{suffix}/", name + "norm."),
    ]


_HEADS = (
    "action_in_proj",
    "action_out_proj",
    "state_proj",
    "action_time_mlp_in",
    "action_time_mlp_out",
    "time_mlp_in",
    "time_mlp_out",
)

TABLE: dict[str, Rule] = {
    rule.path: rule
    for rule in [
        *_tower(),
        Rule("PaliGemma/llm/embedder/input_embedding", (EMBEDDING,), "VD->VD"),
        *(rule for suffix, name in _EXPERTS.items() for rule in _expert(suffix, name)),
        *(rule for head in _HEADS for rule in _linear(f"{head}/", f"{head}.")),
    ]
}
# What only one of the models has.
_ONLY = {
    "pi0": re.compile(r"(state_proj|action_time_mlp_in|action_time_mlp_out)/.*|.*norm_1/scale"),
    "pi05": re.compile(r"(time_mlp_in|time_mlp_out)/.*|.*norm_1/Dense_0/.*"),
}
_TIME_PROJECTION = {"pi0": "action_time_mlp_in/kernel", "pi05": "time_mlp_in/kernel"}
KINDS = tuple(_ONLY)


def kind_of(paths: Iterable[str]) -> str | None:
    """Which of KINDS some of our paths are of, by its time projection; None if they are of neither."""
    paths = set(paths)
    return next((kind for kind in KINDS if _TIME_PROJECTION[kind] in paths), None)


def paths_of(kind: str) -> list[str]:
    """Every path of a model."""
    others = [pattern for other, pattern in _ONLY.items() if other != kind]
    return [path for path in TABLE if not any(pattern.fullmatch(path) for pattern in others)]
