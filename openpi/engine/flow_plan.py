"""The weights of pi0 and pi0.5 as sampling wants them: joined, folded into one another, in the dtype they compute in."""

from typing import Any

import flax.struct
import jax.numpy as jnp

from openpi.engine import expert, image_tower, linear, vocabulary
from openpi.models import pi0


@flax.struct.dataclass
class AdaptiveNorms:
    """Linear layers that make the modulations of pi0.5 from its condition."""

    attention: linear.Linear  # [depth, W, 3 W]
    feed_forward: linear.Linear
    final: linear.Linear  # [W, 3 W]


@flax.struct.dataclass
class Plan:
    """A model's weights, as sampling wants them."""

    tower: image_tower.ImageTower
    embedding: vocabulary.Table
    language: tuple[expert.Layer, ...]
    expert: tuple[expert.Layer, ...]
    heads: dict[str, linear.Linear]
    norms: AdaptiveNorms | None


def prepare(config: pi0.Pi0Config, params: dict[str, Any]) -> Plan:
    """Weights joined, folded and in the dtype they compute in. Run it under `jax.jit`, to spare the steps between."""
    dtype, llm = jnp.dtype(config.dtype), params["PaliGemma"]["llm"]
    language = config.language
    return Plan(
        tower=image_tower.prepare(config.siglip, params["PaliGemma"]["img"], dtype),
        embedding=llm["embedder"]["input_embedding"],
        language=expert.prepare(language, llm["layers"], 0, dtype),
        expert=expert.prepare(config.expert, llm["layers"], 1, dtype),
        heads=_heads(config, params),
        norms=_norms(llm, dtype) if config.pi05 else None,
    )


def _norms(llm: dict[str, Any], dtype: Any) -> AdaptiveNorms:
    layers = llm["layers"]
    dense = (layers["pre_attention_norm_1"], layers["pre_ffw_norm_1"], llm["final_norm_1"])
    return AdaptiveNorms(*(linear.make(d["Dense_0"]["kernel"], d["Dense_0"]["bias"], dtype=dtype) for d in dense))


def _heads(config: pi0.Pi0Config, params: dict[str, Any]) -> dict[str, linear.Linear]:
    """The linear layers around the action expert; those that follow one another are one."""
    made = {name: linear.Linear(params[name]["kernel"], params[name]["bias"]) for name in params if name != "PaliGemma"}
    if config.pi05:
        return {
            "actions": made["action_in_proj"],
            "time_mlp_in": made["time_mlp_in"],
            "time_mlp_out": made["time_mlp_out"],
            "velocity": made["action_out_proj"],
        }
    width, wide = config.expert.width, lambda layer: layer.kernel.astype(jnp.float32)
    into, mixed, out = made["action_in_proj"], made["action_time_mlp_in"], made["action_out_proj"]
    scale = 1 + params["PaliGemma"]["llm"]["final_norm_1"]["scale"].astype(jnp.float32)
    from_actions, from_time = wide(mixed)[:width], wide(mixed)[width:]
    return {
        "actions": linear.Linear(wide(into) @ from_actions, None),
        "time": linear.Linear(from_time, into.bias @ from_actions + mixed.bias),
        "action_time": made["action_time_mlp_out"],
        "state": made["state_proj"],
        "velocity": linear.Linear(scale[:, None] * wide(out), out.bias),
    }
