"""What the backward pass computes again in place of keeping it: memory for time."""

from collections.abc import Callable

import jax

# "none" keeps every intermediate result. "full" keeps the input of each layer. "dots" keeps the results of the matrix
# products with weights as well, and computes attention, norms and activations again.
POLICIES = ("none", "dots", "full")

SAVEABLE = {  # policies of `jax.checkpoint`
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "full": jax.checkpoint_policies.nothing_saveable,
}


def recompute(function: Callable, policy: str) -> Callable:
    """The same function, of which `policy` says what its backward pass may keep. For the body of a loop over layers."""
    if policy == "none":
        return function
    return jax.checkpoint(function, prevent_cse=False, policy=SAVEABLE[policy])


def check(policy: str) -> None:
    """Raises ValueError when it is none of `POLICIES`."""
    if policy not in POLICIES:
        raise ValueError(f"remat must be one of {POLICIES}, got {policy!r}")
