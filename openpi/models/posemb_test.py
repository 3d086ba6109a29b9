import numpy as np
import pytest

from openpi.models import golden, posemb


@pytest.mark.parametrize("case", ["c0", "c1", "c2"])
def test_sincos_golden(case):
    arrays = golden.subtree(golden.load("modules/posemb_sincos"), case)
    dim, shortest, longest = arrays["dim_min_max"]
    got = posemb.posemb_sincos(arrays["pos"], int(dim), min_period=shortest, max_period=longest)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, arrays["out"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", ["c0", "c1"])
def test_sincos_2d_golden(case):
    arrays = golden.subtree(golden.load("modules/siglip_posemb_sincos_2d"), case)
    got = posemb.posemb_sincos_2d(*map(int, arrays["h_w_width"]))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, arrays["out"], rtol=1e-5, atol=1e-5)


def test_widths_that_do_not_fit_raise():
    with pytest.raises(ValueError, match="even, got 7"):
        posemb.posemb_sincos(np.zeros(1), 7, min_period=1.0, max_period=2.0)
    with pytest.raises(ValueError, match="multiple of 4 and at least 8, got 18"):
        posemb.posemb_sincos_2d(2, 2, 18)
