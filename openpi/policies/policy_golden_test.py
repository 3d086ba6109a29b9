"""Published checkpoints of pi0.5 and pi0-FAST, from what the model receives to actions, against recorded numbers.

The reference reads all parameters as bfloat16 and computes in float32.
"""

import functools
import pathlib

import jax
import numpy as np
import pytest

from openpi.checkpoints import restore
from openpi.config import build_model, schema
from openpi.models import model as model_lib
from openpi.normalization import norm_stats
from openpi.policies import policy, request_options
from openpi.tokenizers import fast, stand_in_codec
from openpi.transforms import fast_tokens, normalize, transform

TESTDATA = pathlib.Path(__file__).parent / "testdata"
_LANGUAGE = {"width": 16, "depth": 2, "mlp_dim": 32, "num_heads": 2, "num_kv_heads": 1, "head_dim": 8}


def _model(model, **sizes):
    model.update(dtype="float32", vocab_size=2000, remat=False, **sizes)
    model.siglip.update(width=16, depth=1, mlp_dim=24, num_heads=2, patch_size=14)
    model.language.update(_LANGUAGE)
    if "expert" in model:
        model.expert.update(_LANGUAGE, width=12, mlp_dim=24)
    return build_model.build(model)


def _golden(name):
    """What the model received, nested, and the other arrays."""
    with np.load(TESTDATA / name / "model.npz", allow_pickle=False) as arrays:
        flat = {key: arrays[key] for key in arrays.files}
    given = {key: value for key, value in flat.items() if "|" not in key}
    for key in ("image", "image_mask"):
        given[key] = {path.split("|")[1]: value for path, value in flat.items() if path.startswith(f"{key}|")}
    return given, flat


def _policy(name, config, given, outputs):
    expected = jax.eval_shape(functools.partial(model_lib.init, config), jax.random.key(0))
    params = restore.restore_params(TESTDATA / name / "checkpoint", expected=expected, dtype="bfloat16")
    return policy.Policy(
        config,
        params,
        input_transform=lambda _: given,
        output_transform=transform.compose(outputs),
        sampling=request_options.RequestOptions(num_steps=10, temperature=0.0),
    )


def test_pi05():
    config = _model(schema.pi05_model(), action_dim=10, action_horizon=4, max_token_len=64)
    given, golden = _golden("pi05_libero")
    stats = norm_stats.load(TESTDATA / "pi05_libero/checkpoint/assets/org/libero")
    actor = _policy("pi05_libero", config, given, [normalize.Unnormalize(stats, use_quantiles=True)])
    actions = actor.infer({}, noise=golden["noise"])["actions"]
    np.testing.assert_allclose(actions[:, :7], golden["out|actions"], rtol=1e-3, atol=1e-3)


def test_pi0_fast():
    config = _model(schema.pi0_fast_model(), action_dim=8, action_horizon=3, max_token_len=70)
    given, golden = _golden("pi0_fast_droid")
    tokens = _policy("pi0_fast_droid", config, given, []).infer({})["actions"]
    np.testing.assert_array_equal(tokens, golden["model_output_tokens"])

    tokenizer = fast.FastTokenizer("small", stand_in_codec.StandInCodec(), max_len=70, vocab_size=2000)
    stats = norm_stats.load(TESTDATA / "pi0_fast_droid/checkpoint/assets/droid")
    outputs = [fast_tokens.ExtractFASTActions(tokenizer, 3, 8), normalize.Unnormalize(stats, use_quantiles=True)]
    actions = _policy("pi0_fast_droid", config, given, outputs).infer({})["actions"]
    np.testing.assert_allclose(actions[:, :8], golden["out|actions"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["pi05_libero", "pi0_fast_droid"])
def test_a_configuration_of_the_other_kind_is_told_what_the_checkpoint_is(name):
    config = _model(schema.pi0_model(), action_dim=10, action_horizon=4, max_token_len=64)
    titles = {"pi05_libero": "pi0.5", "pi0_fast_droid": "pi0-FAST"}
    with pytest.raises(ValueError, match=rf"this is a {titles[name]} checkpoint .* but config\.model\.type is 'pi0'"):
        _policy(name, config, {}, [])
