import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from openpi.models import gemma, lora, pi0, pi0_fast, siglip
from openpi.testing import readme


def test_the_examples_do_what_they_say():
    got = readme.run("openpi/models/README.md", [jax, gemma, lora, pi0, pi0_fast, siglip])
    for name in ("pi0_actions", "pi05_actions"):
        assert got[name].shape == (2, 50, 32)
        assert np.isfinite(got[name]).all()
    assert got["loss"].shape == (2,)
    assert got["tokens"].shape == (2, 8)
    assert got["tokens"].dtype == jnp.int32
    config = dataclasses.replace(got["config"], language=got["adapted"])
    adapters = jax.eval_shape(lambda: pi0_fast.init(config, jax.random.key(0)))["PaliGemma"]["llm"]["layers"]["attn"]
    assert set(adapters["q_einsum"]) == {"w", "lora_a", "lora_b"}
