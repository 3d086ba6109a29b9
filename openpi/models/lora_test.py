import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import golden, lora

INDEX = json.loads((golden.TESTDATA / "modules" / "index.json").read_text())


def config(facts):
    return None if facts["lora"] is None else lora.LoraConfig(**facts["lora"])


def assert_golden(module, *args, case, bfloat16):
    params = {key: case[key] for key in case if key not in ("x", "out", "out_bf16")}
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *args, case["x"]))["params"]
    assert {key: value.shape for key, value in shapes.items()} == {key: value.shape for key, value in params.items()}
    x = jnp.asarray(case["x"], jnp.bfloat16 if bfloat16 else jnp.float32)
    got = module.apply({"params": params}, *args, x)
    assert got.dtype == x.dtype
    if bfloat16:
        error = np.asarray(got, np.float32) - case["out_bf16"]
        assert np.sqrt(np.mean(error**2) / np.mean(case["out_bf16"] ** 2)) < 0.01
    else:
        np.testing.assert_allclose(got, case["out"], rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("name", INDEX["lora_einsum"]["cases"])
def test_einsum_golden(name, bfloat16):
    facts = INDEX["lora_einsum"]["cases"][name]
    module = lora.Einsum(tuple(facts["shape"]), lora=config(facts))
    case = golden.subtree(golden.load("modules/lora_einsum"), name)
    assert_golden(module, facts["eqn"], case=case, bfloat16=bfloat16)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("name", INDEX["lora_feedforward"]["cases"])
def test_feed_forward_golden(name, bfloat16):
    facts = INDEX["lora_feedforward"]["cases"][name]
    module = lora.FeedForward(facts["features"], facts["hidden_dim"], config(facts))
    assert_golden(module, case=golden.subtree(golden.load("modules/lora_feedforward"), name), bfloat16=bfloat16)


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("BTD,NDH->BTNH", ("BTD,NDL->BTNL", "BTNL,NLH->BTNH")),
        ("BSD,2KDH->2BSKH", ("BSD,2KDL->2BSKL", "2BSKL,2KLH->2BSKH")),
        ("BTNH,NHD->BTD", ("BTNH,NHL->BTL", "BTL,NLD->BTD")),
    ],
)
def test_factor_equations(equation, expected):
    assert lora.factor_equations(equation) == expected


@pytest.mark.parametrize("equation", ["BTD", "BTL,NLH->BTNH", "a,b,c->d"])
def test_equations_without_room_for_an_adapter_raise(equation):
    with pytest.raises(ValueError, match="must have the form"):
        lora.factor_equations(equation)
