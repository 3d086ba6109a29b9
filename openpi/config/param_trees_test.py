"""Every published parameter tree, from the configuration: paths, shapes, dtypes, frozen leaves, inputs. No memory."""

import functools
import json
import pathlib
import re

import jax
import jax.numpy as jnp
import pytest
from flax import traverse_util

from openpi.config import build_model, freeze, schema
from openpi.models import pi0, pi0_fast

TREES = json.loads((pathlib.Path(__file__).parent / "testdata" / "param_trees.json").read_text())


def config_of(tree):
    sizes = {"language": tree["config"]["paligemma_variant"], "expert": tree["config"].get("action_expert_variant")}
    return schema.MODELS[tree["model_type"]](**{key: value for key, value in sizes.items() if value is not None})


@functools.cache
def flat_shapes(name):
    config = build_model.build(config_of(TREES[name]))
    init = pi0_fast.init if config.model_type == "pi0_fast" else pi0.init
    return traverse_util.flatten_dict(jax.eval_shape(functools.partial(init, config), jax.random.key(0)), sep="/")


@pytest.fixture(params=TREES)
def name(request):
    return request.param


def group(path):
    if not path.startswith("PaliGemma/"):
        return "top"
    return "img" if path.startswith("PaliGemma/img/") else "llm_expert" if "_1" in path else "llm"


def test_paths_shapes_dtypes_and_counts(name):
    tree, leaves = TREES[name], flat_shapes(name)
    assert {path: list(leaf.shape) for path, leaf in leaves.items()} == tree["params"]
    assert {leaf.dtype for leaf in leaves.values()} == {jnp.dtype("float32")}
    assert sum(leaf.size for leaf in leaves.values()) == tree["num_params"]
    groups = {key: sum(leaf.size for path, leaf in leaves.items() if group(path) == key) for key in map(group, leaves)}
    assert groups == tree["num_params_by_group"]


def test_frozen_leaves(name):
    tree, pattern = TREES[name], freeze.lora_filter(config_of(TREES[name]))
    frozen = {path: leaf for path, leaf in flat_shapes(name).items() if pattern and re.fullmatch(pattern, path)}
    assert sorted(frozen) == tree["frozen_paths"]
    assert sum(leaf.size for leaf in frozen.values()) == tree["num_frozen_params"]


def test_input_specs(name):
    model, expected = build_model.build(config_of(TREES[name])), TREES[name]["inputs_spec"]
    observation, actions = model.inputs_spec()
    fields = {key: value for key, value in vars(observation).items() if value is not None}
    spec = traverse_util.flatten_dict(fields, sep="/")
    described = {key: {"shape": list(leaf.shape), "dtype": str(leaf.dtype)} for key, leaf in spec.items()}
    assert described == expected["observation"]
    assert {"shape": list(actions.shape), "dtype": str(actions.dtype)} == expected["actions"]
    assert model.model_type == TREES[name]["model_type"]
