import numpy as np
import pytest

from openpi.normalization import lint, measured, norm_stats


def of(low, q01, q99, high, std=None, mean=None):
    """One dim."""
    std = (q99 - q01) / 4.6 if std is None else std
    mean = (q01 + q99) / 2 if mean is None else mean
    return measured.Measured(1000, *(np.array([value], np.float64) for value in (mean, std, low, high, q01, q99)))


JOINT = of(-1.2, -1, 1, 1.2)


def problems(entry, name="elbow", ranges=None, **options):
    known = {"state": lint.Known((name,), ranges or {})}
    flags = lint.check({"state": entry}, known, **options)
    assert all(flag.key == "state" and "\n" not in flag.text for flag in flags)
    return [flag.problem for flag in flags]


@pytest.mark.parametrize(
    ("entry", "options", "expected"),
    [
        (JOINT, {}, []),
        (of(5, 5, 5, 5), {}, ["degenerate"]),
        (of(5, 5, 5, 5), {"min_std": 0.01}, []),
        (of(1, 1, 1.0005, 1.001), {}, ["degenerate"]),
        (of(0, 0, 0, 1, std=0.05), {}, ["degenerate"]),  # moves in less than 1 % of the frames
        (of(0, 0, 0, 1, std=0.05), {"min_std": 0.01}, []),
        (of(0, 0, 0, 1, std=0.05), {"min_std": 1e-9}, []),  # q01 = q99 is below any min_std
        (of(1, 1, 1.0005, 1.001), {"min_std": 1e-6}, ["degenerate"]),
        (of(-1.2, -1, 1, 35), {}, ["outlier"]),
        (of(-35, -1, 1, 1.2), {}, ["outlier"]),
        (of(-3, -1, 1, 3), {}, []),  # as of a Gaussian
        (of(-95, -90, 45, 50), {}, ["unit"]),
        (of(-95, -90, 45, 50), {"name": "gripper"}, ["unit"]),
        (of(-7, -6.2, 6.2, 7), {}, []),  # a joint that turns once around
        (of(0, 0, 1, 1), {"name": "left_gripper"}, []),
        (of(-1, -1, 1, 1), {"name": "gripper"}, []),  # LIBERO's actions
        (of(0, 0, 85, 90), {"name": "left_gripper"}, ["unit"]),
        (of(0, 0, 1, 1), {"name": "hand", "ranges": {"hand": (0.0, 1.0)}}, []),
        (of(-0.1, -0.1, 1.1, 1.1), {"name": "hand", "ranges": {"hand": (1.0, 0.0)}}, []),
        (of(0, 0, 3, 3), {"name": "hand", "ranges": {"hand": (0.0, 1.0)}}, ["unit"]),
        (of(0, 0, 3, 3), {"name": "gripper", "ranges": {"hand": (0.0, 1.0)}}, ["unit"]),
        (JOINT, {"action_dim": 1}, []),
        (JOINT, {"action_dim": 0}, ["too wide"]),
    ],
)
def test_what_is_flagged(entry, options, expected):
    assert problems(entry, **options) == expected


def reference(mean, std):
    return {"state": norm_stats.NormStats(mean=np.array(mean, np.float64), std=np.array(std, np.float64))}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (reference([0.1, 0.0], [0.4, 1.0]), []),  # more dims, as of a mobile robot
        (reference([3.0], [0.4]), ["mismatch"]),
        (reference([0.0], [25.0]), ["mismatch"]),
        (reference([0.0], [0.01]), ["mismatch"]),
        (reference([1e-3], [0.02]), ["mismatch"]),
        (reference([3.0], [0.0]), []),  # nothing can be told from a dim that never moved
        (reference([], []), ["mismatch"]),
        ({"actions": reference([0.0], [1.0])["state"]}, ["mismatch"]),
    ],
)
def test_other_statistics(other, expected):
    assert problems(JOINT, reference=other) == expected


def test_a_joint_that_does_not_move_is_flagged_once():
    assert problems(of(0.5, 0.5, 0.5, 0.5), reference=reference([0.4], [0.3])) == ["degenerate"]


def test_shift_and_scale():
    shift, scale = lint.shift_and_scale(JOINT, reference([1.0, 7.0], [0.5, 1.0])["state"])
    np.testing.assert_allclose(shift, [-2.0])
    np.testing.assert_allclose(scale, JOINT.std / 0.5)


def test_figures_and_advice_are_in_the_text():
    flags = lint.check({"state": of(-95, -90, 45, 50)}, {"state": lint.Known(("elbow",))})
    assert len(flags) == 1 and flags[0].dim == 0
    assert "from -90 to 45" in flags[0].text and "robots.degrees('elbow')" in flags[0].text
