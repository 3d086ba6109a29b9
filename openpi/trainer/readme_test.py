import jax
import numpy as np

from openpi.testing import readme
from openpi.trainer import optimizer, state, train_step


def test_example():
    variables = readme.run("openpi/trainer/README.md", [jax, jax.numpy, optimizer, state, train_step])
    assert variables["now"].step == 1
    np.testing.assert_allclose(variables["now"].params["w"], 1e-3, rtol=1e-3)  # Adam's first step, down the slope
