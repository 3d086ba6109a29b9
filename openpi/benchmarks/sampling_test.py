import numpy as np
import pytest

from openpi.benchmarks import sampling
from openpi.models import gemma, pi0, siglip


@pytest.mark.parametrize("kind", sampling.KINDS)
def test_both_ways_sample_the_same(kind):
    config = pi0.Pi0Config(
        siglip=siglip.SiglipConfig(8, 1, 16, 2, (14, 14), "sincos2d", "lecun"),
        language=gemma.GemmaConfig(8, 2, 16, 2, 1, 4),
        expert=gemma.GemmaConfig(8, 2, 16, 2, 1, 4),
        vocab_size=50,
        dtype="float32",
        image_resolution=(28, 28),
        **sampling.KINDS[kind],
    )
    sample = sampling.Sampling(config, 3)
    model_input, noise = sampling.random_input(config, 2, 2, 0)
    plain, engine = (sample(way, model_input, noise) for way in sampling.WAYS)
    assert plain.shape == (2, config.action_horizon, config.action_dim)
    assert np.abs(plain - noise).max() > 0.01
    np.testing.assert_allclose(engine, plain, rtol=0, atol=1e-5 * np.abs(plain).max())


def test_the_models_are_what_they_say():
    for name in sampling.MODELS:
        assert sampling.config(name, "pi05").max_token_len == 200
    model_input, _ = sampling.random_input(sampling.config("mid", "pi0"), 1, 2, 0)
    assert [bool(mask[0]) for mask in model_input["image_mask"].values()] == [True, True, False]
