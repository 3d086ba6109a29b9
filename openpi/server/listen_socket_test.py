import socket

import pytest

from openpi.server import listen_socket


def test_binds_the_address_asked_for():
    with listen_socket.bind("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
        assert port > 0


def test_a_name_prefers_ipv4():
    with listen_socket.bind("localhost", 0) as listener:
        assert listener.family == socket.AF_INET


def test_a_port_in_use_is_named_with_its_mending():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(OSError, match=f"^port {port} on 127.0.0.1 is in use; .* --port$"):
            listen_socket.bind("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port", "error", "text"),
    [
        ("127.0.0.1", 65536, ValueError, "port 65536 is not between 0 and 65535"),
        ("127.0.0.1", -1, ValueError, "port -1"),
        ("no such host", 0, OSError, "host 'no such host' cannot be resolved"),
        ("192.0.2.1", 0, OSError, "192.0.2.1 is not an address of this machine"),
    ],
)
def test_other_addresses_that_cannot_be_had(host, port, error, text):
    with pytest.raises(error, match=text) as raised:
        listen_socket.bind(host, port)
    assert "\n" not in str(raised.value)
