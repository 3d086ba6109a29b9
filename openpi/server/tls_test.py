import ssl

import pytest
from websockets import exceptions
from websockets.sync import client

from openpi.client import base_policy, msgpack_numpy
from openpi.server import certificates, served, tls


class _Echo(base_policy.BasePolicy):
    def infer(self, obs):
        return {"actions": obs["x"]}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def _ask(served, authority, certificate=None):
    """One request of a client that trusts `authority`."""
    context = ssl.create_default_context(cafile=authority.cert)
    if certificate:
        context.load_cert_chain(*certificate)
    with client.connect(f"wss://127.0.0.1:{served.port}", ssl=context, compression=None) as connection:
        connection.recv()
        connection.send(msgpack_numpy.packb({"x": 3}))
        return msgpack_numpy.unpackb(connection.recv(timeout=5))["actions"]


# With TLS 1.3 a client learns of its refusal with the first byte that it reads, by an alert or a reset.
_REFUSED = (ssl.SSLError, ConnectionError, EOFError, exceptions.InvalidMessage, exceptions.ConnectionClosed)


def test_clients_that_trust_the_authority_are_served(authority, stranger):
    with served.serve(_Echo(), tls=tls.server_context(*authority.sign("server"))) as running:
        assert _ask(running, authority) == 3
        with pytest.raises(ssl.SSLCertVerificationError):
            _ask(running, stranger)
        with pytest.raises(Exception, match=r"did not receive a valid HTTP response|connection closed|reset"):
            running.connect()  # without TLS
        assert _ask(running, authority) == 3


def test_an_expired_certificate_is_noticed_by_the_client(authority):
    with (
        served.serve(_Echo(), tls=tls.server_context(*authority.sign("old", expired=True))) as running,
        pytest.raises(ssl.SSLCertVerificationError, match="expired"),
    ):
        _ask(running, authority)


def test_with_an_authority_for_clients_only_theirs_are_let_in(authority, stranger):
    context = tls.server_context(*authority.sign("server"), authority.cert)
    with served.serve(_Echo(), tls=context) as running:
        assert _ask(running, authority, authority.sign("robot")) == 3
        for certificate in (None, stranger.sign("robot"), authority.sign("old robot", expired=True)):
            with pytest.raises(_REFUSED):
                _ask(running, authority, certificate)
        assert _ask(running, authority, authority.sign("robot")) == 3


def test_files_of_no_use_are_named_in_one_line(authority, tmp_path):
    cert, key = authority.sign("server")
    _, other_key = authority.sign("other")
    _, locked_key = authority.sign("locked", passphrase=b"secret")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    for files, text in (
        ((tmp_path / "none", key), r"TLS: there is no file .*none"),
        ((cert, tmp_path), r"TLS: there is no file"),
        ((nothing, key), r"nothing\.pem and .* are no certificate and its key"),
        ((cert, other_key), r"are no certificate and its key in PEM format \(KEY_VALUES_MISMATCH\)"),
        ((cert, locked_key), r"locked\.key has a passphrase; give one without"),
        ((cert, key, nothing), r"nothing\.pem holds no certificate"),
    ):
        with pytest.raises(ValueError, match=text) as raised:
            tls.server_context(*files)
        assert "\n" not in str(raised.value)
