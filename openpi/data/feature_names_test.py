import pytest

from openpi.data import feature_names
from openpi.data.lerobot import info


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (None, []),
        (["x", "y"], ["x", "y"]),
        (("x", 1), ["x", "1"]),
        ({"motors": ["x", "y"]}, ["x", "y"]),
        ({"axes": {"motors": ["x"]}}, ["x"]),
        ({"left": ["x"], "right": ["y"]}, []),
        ("state", []),
    ],
)
def test_names(names, expected):
    assert feature_names.of(info.Feature("float32", (2,), names)) == expected
