import jax
import numpy as np
import pytest

from openpi.models import augment, golden

run = jax.jit(augment.augment, static_argnames=("geometry", "saturation"))


@pytest.mark.parametrize("camera", ["base_0_rgb", "left_wrist_0_rgb"])
def test_golden(camera):
    arrays = golden.load("images/augment")
    got = run(jax.random.key(3), arrays["in/image"], geometry="wrist" not in camera)
    error = np.abs(np.asarray(got) - arrays[f"out/{camera}"])
    # Golden values are rounded to 1e-4: half of it is theirs.
    assert error.max() < 1e-4
    assert np.quantile(error, 0.99) < 5.1e-5


def test_colours_change_half_of_the_time():
    images = np.random.default_rng(0).uniform(-1, 1, (200, 4, 4, 3)).astype(np.float32)
    got = run(jax.random.key(0), images, geometry=False)
    changed = np.abs(np.asarray(got) - images).max(axis=(1, 2, 3)) > 1e-3
    assert 0.35 < changed.mean() < 0.65


def test_grey_and_black_stay_finite_and_grey():
    images = np.stack([np.full((8, 8, 3), value, np.float32) for value in np.linspace(-1, 1, 40)])
    got = np.asarray(run(jax.random.key(1), images, geometry=False))
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, got[..., :1].repeat(3, -1), atol=1e-6)


def saturations(images):
    unit = np.asarray(images) / 2 + 0.5
    return (unit.max(axis=-1) - unit.min(axis=-1)) / unit.max(axis=-1)


@pytest.mark.parametrize("limit", [0.0, 0.5])
def test_saturation_changes_only_when_asked_for_and_within_its_limit(limit):
    given = np.random.default_rng(0).uniform(0, 0.5, (100, 2, 2, 3)).astype(np.float32)
    got = run(jax.random.key(0), given, geometry=False, saturation=limit)
    ratio = (saturations(got) / saturations(given)).mean(axis=(1, 2))
    assert ratio.min() >= 1 - limit - 1e-3
    assert ratio.max() <= 1 + limit + 1e-3
    # Half of the images stay, and of the others one in ten stays within a tenth of the limit.
    assert (np.abs(ratio - 1) > 0.05).mean() == pytest.approx(0.45 if limit else 0.0, abs=0.1)
