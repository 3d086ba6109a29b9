import jax
import numpy as np

from openpi.engine import fast_plan, fast_sampler, flow_plan, flow_sampler, flow_schedule, quantization
from openpi.models import gemma, pi0, pi0_fast, siglip
from openpi.testing import readme

_ENGINE = [fast_plan, fast_sampler, flow_plan, flow_sampler, flow_schedule, quantization]


def test_the_examples_sample():
    got = readme.run("openpi/engine/README.md", [jax, *_ENGINE, gemma, pi0, pi0_fast, siglip])
    assert got["actions"].shape == (1, 50, 32)
    assert np.isfinite(got["actions"]).all()
    assert got["tokens"].shape == (1, 8)
    assert got["low"].language[0].qkv.kernel.qvalue.dtype == np.int8
