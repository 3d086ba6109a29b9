import dataclasses

import pytest

from openpi.benchmarks import step_variants
from openpi.models import gemma, siglip

TINY = dataclasses.replace(
    step_variants.MODELS["small"],
    siglip=siglip.SiglipConfig(8, 1, 16, 2, (28, 28), "sincos2d", "lecun"),
    language=gemma.GemmaConfig(8, 2, 16, 2, 1, 4),
    expert=gemma.GemmaConfig(8, 2, 16, 2, 1, 4),
    image_resolution=(56, 56),
    dtype="float32",
)


def test_variants_are_the_plain_step():
    """Two of them: that all agree is checked whenever the benchmark runs."""
    plain, parts = (
        step_variants.Step(TINY, variant, 4)
        for variant in (step_variants.PLAIN, step_variants.Variant("", "none", accumulation_steps=2))
    )
    for seed in range(2):
        batch = step_variants.random_batch(TINY, 4, seed)
        assert parts(batch) == pytest.approx(plain(batch), rel=1e-4)
    assert parts.operations < plain.operations
    assert plain.temporary_bytes > 0
