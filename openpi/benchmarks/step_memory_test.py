"""The measurement itself, on a model of almost no size."""

from openpi.benchmarks import step_memory

_SIZES = {"model.siglip.depth": 1, "model.image_size": 56, "batch_size": 8}


def test_measures_what_it_plans():
    found = step_memory.measure("small", _SIZES)
    assert 0 < found["state"] < found["planned"] < 2**30
    assert found["measured"] > found["state"] / 2


def test_the_mid_model_is_larger():
    small, mid = (step_memory.configuration(model, {}).model for model in step_memory.MODELS)
    assert (mid.language.width, mid.expert.width, mid.siglip.depth) == (256, 128, 4)
    assert small.language.width == 64 and len(small.image_keys) == len(mid.image_keys) == 3
