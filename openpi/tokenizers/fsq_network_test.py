import json
import pathlib

import numpy as np
import pytest

from openpi.tokenizers import fsq_config, fsq_network

_DIRECTORY = pathlib.Path(__file__).parent / "testdata"
_FACTS = json.loads((_DIRECTORY / "fsq_tokenizer.json").read_text())


@pytest.fixture(scope="module")
def golden():
    with np.load(_DIRECTORY / "fsq_tokenizer.npz", allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


@pytest.fixture(scope="module")
def tree(golden):
    """The parameters as a checkpoint has them, nested."""
    nested = {}
    for path, value in golden.items():
        *parents, leaf = path.split("/")
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return nested["params"]


def network(tree, **changes):
    config = fsq_config.FsqConfig.from_dict(_FACTS["config"] | changes)
    return config, fsq_network.check_params(config, tree)


def test_golden(golden, tree):
    config, params = network(tree)
    assert list(config.bins) == _FACTS["bins_per_dim"]
    z = fsq_network.latents(config, params, golden["in/actions"])
    np.testing.assert_allclose(z, golden["out/z"], rtol=1e-4, atol=5e-5, strict=True)
    tokens = fsq_network.tokenize(config, params, golden["in/actions"])
    np.testing.assert_array_equal(tokens, golden["out/tokens"], strict=True)
    actions = fsq_network.detokenize(config, params, tokens)
    np.testing.assert_allclose(actions, golden["out/detokenized"], rtol=1e-4, atol=5e-5, strict=True)


def test_rows_do_not_mix(golden, tree):
    config, params = network(tree)
    for row in range(2):
        one = fsq_network.detokenize(config, params, golden["out/tokens"][row : row + 1])
        np.testing.assert_allclose(one[0], golden["out/detokenized"][row], rtol=1e-4, atol=5e-5)


def test_causal_tokens_see_only_what_is_before(golden, tree):
    config, params = network(tree, causal=True)
    plain = fsq_network.latents(*network(tree), golden["in/actions"])
    before = fsq_network.latents(config, params, golden["in/actions"])
    assert np.abs(before - plain).max() > 1e-3
    for time in range(6):
        later = golden["in/actions"].copy()
        later[:, time] += 1
        change = np.abs(fsq_network.latents(config, params, later) - before).max((0, 2))
        # 6 actions, 5 tokens: a token an action, and the last action has none.
        assert not change[:time].any() and (time == 5 or change[time] > 0)
    actions = fsq_network.detokenize(config, params, golden["out/tokens"])
    for place in range(5):
        other = golden["out/tokens"].copy()
        other[:, place] ^= 0x77
        change = np.abs(fsq_network.detokenize(config, params, other) - actions).max((0, 2))
        assert not change[:place].any() and (change[place:] > 0).all()


def test_actions_are_clipped_to_the_bound(golden, tree):
    config, params = network(tree, bound=0.5)
    clipped = np.clip(golden["in/actions"], -0.5, 0.5)
    assert np.abs(clipped - golden["in/actions"]).max() > 0.1
    np.testing.assert_array_equal(
        fsq_network.latents(config, params, golden["in/actions"]), fsq_network.latents(*network(tree), clipped)
    )


@pytest.mark.parametrize("shape", [(5,), (1, 4), (1, 6), (1, 1), (1, 0)])
def test_a_wrong_number_of_tokens_is_named(tree, shape):
    with pytest.raises(ValueError, match=r"FSQ tokens are \[B, 5\], and have the shape"):
        fsq_network.detokenize(*network(tree), np.zeros(shape, np.int64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_tokens": 4}, r"decoder/y_pos_enc has shape \(5, 64\), its settings need \(4, 64\)"),
        ({"num_layers": 2}, r"decoder/CrossAttentionLayer_1/Dense_0/bias has shape None, its settings need \(32,\)"),
        (
            {"mlp_ratio": 1.0},
            r"decoder/CrossAttentionLayer_0/Dense_0/bias has shape \(32,\), its settings need \(64,\)",
        ),
    ],
)
def test_parameters_of_another_network_are_named(tree, changes, message):
    with pytest.raises(ValueError, match=f"FSQ tokenizer: parameter {message}"):
        network(tree, **changes)


def test_an_unknown_parameter_is_named(tree):
    with pytest.raises(ValueError, match=r"parameter extra/kernel has shape \(2,\), its settings need None"):
        network(tree | {"extra": {"kernel": np.zeros(2)}})
