import jax
import numpy as np

from openpi.engine import flow_plan, flow_sampler, flow_schedule
from openpi.models import gemma, pi0, siglip
from openpi.testing import readme


def test_the_example_samples():
    got = readme.run("openpi/engine/README.md", [jax, flow_plan, flow_sampler, flow_schedule, gemma, pi0, siglip])
    assert got["actions"].shape == (1, 50, 32)
    assert np.isfinite(got["actions"]).all()
