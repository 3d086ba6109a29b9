import pytest

from openpi.testing import manifest

_SCHEMA = {"name": str, "count?": int, "ports": [{"port": int}]}


def test_what_fits_is_let_through():
    manifest.check({"name": "a", "count": 1, "ports": [{"port": 1}, {"port": 2}]}, _SCHEMA)
    manifest.check({"name": "a", "ports": []}, _SCHEMA)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"ports": []}, r"\.name is missing"),
        ({"name": "a", "ports": [], "prots": []}, "prots"),
        ({"name": "a", "count": True, "ports": []}, r"\.count: True"),
        ({"name": "a", "ports": [{"port": 1}, {"port": "2"}]}, r"\.ports\[1\]\.port: '2'"),
        ({"name": "a", "ports": {}}, r"\.ports"),
        ([], "^$"),
    ],
)
def test_what_does_not_is_named(value, text):
    with pytest.raises(AssertionError, match=text):
        manifest.check(value, _SCHEMA)
