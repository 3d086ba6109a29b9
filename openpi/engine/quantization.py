"""Lower precision: a plan's large matrices as integers or 8-bit floats, with a scale for each of their outputs."""

import dataclasses
from typing import TypeVar

import jax
import jax.numpy as jnp
import qwix
from jaxtyping import Array, Float

from openpi.engine import expert, fast_plan, flow_plan, image_tower, linear, vocabulary

PlanT = TypeVar("PlanT", flow_plan.Plan, fast_plan.Plan)
_LayerT = TypeVar("_LayerT", expert.Layer, image_tower.Layer)

# Names, and what weights become. The last one rounds what they are multiplied with, too: each token with a scale of its own.
MODES = ("none", "int8", "fp8", "int8_dynamic")
_TYPES = {"int8": jnp.int8, "fp8": jnp.float8_e4m3fn, "int8_dynamic": jnp.int8}

_LAYERS = (expert.Layer, image_tower.Layer)


def quantize(plan: PlanT, mode: str) -> PlanT:
    """The plan in lower precision. Run it under `jax.jit`, together with what makes the plan.

    Quantised are the matrices of all layers (image tower, language model, action expert) and the vocabulary's table: all but about
    a hundredth of the weights. Biases and norms stay as they are, the embeddings of patches, state, actions and time too.

    Raises:
      ValueError: an unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode={mode!r} must be one of {', '.join(MODES)}")
    if mode == "none":
        return plan
    is_layer = lambda node: isinstance(node, _LAYERS)
    made = jax.tree.map(lambda node: _layer(node, mode) if is_layer(node) else node, plan, is_leaf=is_layer)
    return dataclasses.replace(made, embedding=quantize_table(plan.embedding, mode))


def quantize_linear(layer: linear.Linear, mode: str) -> linear.Linear:
    """With one scale an output; the bias stays."""
    kernel = qwix.quantize(layer.kernel, _TYPES[mode], channelwise_axes=[1])
    return linear.Linear(kernel, layer.bias, rounds_inputs=mode == "int8_dynamic")


def quantize_table(table: Float[Array, "V D"], mode: str) -> vocabulary.Table:
    """With one scale a token."""
    return qwix.quantize(table, _TYPES[mode], channelwise_axes=[0])


def _layer(layer: _LayerT, mode: str) -> _LayerT:
    is_linear = lambda node: isinstance(node, linear.Linear)
    return jax.tree.map(lambda node: quantize_linear(node, mode), layer, is_leaf=is_linear)
