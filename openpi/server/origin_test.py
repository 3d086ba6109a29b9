import socket

import pytest

from openpi.server import origin


@pytest.mark.parametrize(
    ("page", "host", "foreign"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", False),
        ("https://Robot.lab", "robot.lab", False),
        ("http://127.0.0.1:9000", "127.0.0.1:8000", True),
        ("http://evil.example", "127.0.0.1:8000", True),
        ("null", "127.0.0.1:8000", True),
        ("", "127.0.0.1:8000", True),
        ("http://evil.example", None, True),
    ],
)
def test_a_page_from_elsewhere_is_foreign(page, host, foreign):
    assert origin.is_foreign(page, host) == foreign


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.168.1.7", True),
        ("LOCALHOST:8000", True),
        (f"{socket.gethostname()}:8000", True),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        (None, False),
    ],
)
def test_own_names(host, own):
    assert origin.is_own(host) == own
