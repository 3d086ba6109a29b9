import json
import pathlib

import jax
import jax.numpy as jnp
import pytest

from openpi.checkpoints import model_kind

GOLDEN = json.loads((pathlib.Path(__file__).parent / "testdata" / "param_trees.json").read_text())


def tree(name):
    shapes = GOLDEN[name]["shapes"]
    return {path: jax.ShapeDtypeStruct(tuple(shape), jnp.float32) for path, shape in shapes.items()}


@pytest.mark.parametrize("name", GOLDEN)
def test_every_published_tree_is_recognised(name):
    kind = model_kind.recognise(tree(name))
    assert kind.config_type == ("pi0_fast" if "fast" in name else name.split("_")[0])
    on_language = "lora" in name and "action_expert_only" not in name
    on_expert = "lora_both" in name or "action_expert_only" in name
    assert (kind.language_lora_rank, kind.expert_lora_rank) == (16 * on_language, 32 * on_expert)
    assert model_kind.mismatch(tree(name), tree(name)) is None


@pytest.mark.parametrize(
    "paths", [[], ["a/kernel"], ["PaliGemma/img/head/kernel"], ["PaliGemma/llm/x", "action_in_proj/b"]]
)
def test_other_trees_are_not(paths):
    other = {path: jax.ShapeDtypeStruct((2,), jnp.float32) for path in paths}
    assert model_kind.recognise(other) is None
    assert model_kind.mismatch(other, tree("pi0_base")) is None
    assert model_kind.mismatch(tree("pi0_base"), other) is None


@pytest.mark.parametrize(
    ("stored", "expected", "said"),
    [
        ("pi05_base", "pi0_base", "a pi0.5 checkpoint (it has time_mlp_in and adaptive norms, and no state_proj), but config.model.type is 'pi0'"),
        ("pi0_base", "pi05_base", "a pi0 checkpoint (it has state_proj and action_time_mlp_in), but config.model.type is 'pi05'"),
        ("pi0_base", "pi0_fast_base", "config.model.type is 'pi0_fast': use a configuration with config.model.type 'pi0'"),
        ("pi0_fast_base", "pi0_base", "a pi0-FAST checkpoint (it has PaliGemma alone, and no action expert)"),
        ("pi0_lora_both", "pi0_base", "adapters (LoRA) of rank 32 on the action expert, but config.model.expert.lora_rank is 0: set it to 32"),
        ("pi0_base", "pi0_lora_paligemma_only", "no adapters (LoRA) on the language model, but config.model.language.lora_rank is 16"),
        ("pi0_fast_lora", "pi0_fast_base", "a pi0-FAST with LoRA on the language model (rank 16) checkpoint"),
    ],
)  # fmt: skip
def test_mismatch_says_what_it_is_and_what_to_set(stored, expected, said):
    told = model_kind.mismatch(tree(stored), tree(expected))
    assert said in told
    assert "\n" not in told
