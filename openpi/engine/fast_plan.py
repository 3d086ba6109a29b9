"""The weights of pi0-FAST as sampling wants them: joined, folded into one another, in the dtype they compute in."""

from typing import Any

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float

from openpi.engine import expert, image_tower, vocabulary
from openpi.models import pi0_fast


@flax.struct.dataclass
class Plan:
    """A model's weights, as sampling wants them."""

    tower: image_tower.ImageTower
    black: Float[Array, "P D"]  # tokens of a black image, which stands for a camera that a robot does not have
    embedding: vocabulary.Table  # of tokens read and, in its own dtype, of tokens to choose from
    language: tuple[expert.Layer, ...]
    final_scale: Float[Array, " D"]  # of the norm before the choice; float32, folded into no second table of that size


def prepare(config: pi0_fast.Pi0FastConfig, params: dict[str, Any]) -> Plan:
    """Weights joined, folded and in the dtype they compute in. Run it under `jax.jit`, to spare the steps between."""
    dtype, llm = jnp.dtype(config.dtype), params["PaliGemma"]["llm"]
    tower = image_tower.prepare(config.siglip, params["PaliGemma"]["img"], dtype)
    return Plan(
        tower=tower,
        black=image_tower.embed(tower, jnp.full((1, *config.image_resolution, 3), -1.0))[0],
        embedding=llm["embedder"]["input_embedding"],
        language=expert.prepare(config.language, llm["layers"], 0, dtype),
        final_scale=1 + llm["final_norm"]["scale"].astype(jnp.float32),
    )
