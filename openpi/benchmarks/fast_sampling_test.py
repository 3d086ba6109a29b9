import numpy as np

from openpi.benchmarks import fast_sampling, sampling
from openpi.models import gemma, pi0_fast, siglip


def test_both_ways_write_the_same():
    config = pi0_fast.Pi0FastConfig(
        siglip=siglip.SiglipConfig(8, 1, 16, 2, (14, 14), "sincos2d", "lecun"),
        language=gemma.GemmaConfig(8, 2, 16, 2, 1, 4),
        vocab_size=50,
        dtype="float32",
        image_resolution=(28, 28),
    )
    sample = fast_sampling.Sampling(config)
    written = []
    for seed in range(2):
        model_input = fast_sampling.random_input(config, 2, 2, seed)
        (plain, _), (engine, seconds) = (sample(way, model_input, 9) for way in sampling.WAYS)
        np.testing.assert_array_equal(engine, plain)
        assert seconds > 0
        written.append(plain)
    assert written[0].shape == (2, 9)
    assert (written[0] != written[1]).any()
    layer = 8 * (2 + 2) * 4 + 2 * 4 * 8 + 3 * 8 * 16  # qkv, out, feed-forward
    assert sample.weights_per_token == 4 * (2 * layer + 50 * 8)


def test_the_models_are_what_they_say():
    for name in fast_sampling.MODELS:
        assert fast_sampling.config(name).max_token_len == 250
    model_input = fast_sampling.random_input(fast_sampling.config("mid"), 1, 2, 0)
    assert [bool(image.any()) for image in model_input["image"].values()] == [True, True, False]
    assert all(mask.all() for mask in model_input["image_mask"].values())
