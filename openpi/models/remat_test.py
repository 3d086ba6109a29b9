import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import remat

WEIGHTS = jnp.eye(4) * 2
X = jnp.linspace(-1, 1, 12).reshape(3, 4)


def layer(x):
    return jnp.sin(jnp.exp(jnp.sin(x @ WEIGHTS)) @ WEIGHTS)


def kept(policy):
    """How many arrays the forward pass hands to the backward pass, and how many products both compute."""
    function = remat.recompute(layer, policy)
    _, backward = jax.vjp(function, X)
    arrays = [leaf for leaf in jax.tree.leaves(backward) if leaf.shape == X.shape]
    program = str(jax.make_jaxpr(jax.grad(lambda x: function(x).sum()))(X))
    return len(arrays), program.count("dot_general[")


def test_policies_keep_what_they_say_and_change_no_number():
    (all_arrays, products), dots, full = (kept(policy) for policy in remat.POLICIES)
    assert products == 4 and all_arrays > 2
    assert dots == (2, 4)  # two results of products, from which all else follows
    assert full == (1, 6)  # the input
    gradient = lambda policy: jax.grad(lambda x: remat.recompute(layer, policy)(x).sum())(X)
    for policy in ("dots", "full"):
        np.testing.assert_allclose(gradient(policy), gradient("none"), rtol=1e-5)


def test_unknown():
    with pytest.raises(ValueError, match=r"remat must be one of \('none', 'dots', 'full'\), got True"):
        remat.check(True)
