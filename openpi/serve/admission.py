"""Who may come in: keys, TLS, and that a server which other machines can reach is not open to all of them."""

import ipaddress
import logging
import pathlib
import ssl

from openpi.server import api_keys, tls

_logger = logging.getLogger(__name__)


def encryption(cert: str | None, key: str | None, client_ca: str | None) -> ssl.SSLContext | None:
    """Returns what `--tls_cert`, `--tls_key` and `--tls_client_ca` ask for; None if none of them is given.

    Raises:
      ValueError: one of them lacks another, or a file is of no use.
    """
    if cert and key:
        return tls.server_context(_path(cert), _path(key), _path(client_ca) if client_ca else None)
    if cert or key or client_ca:
        raise ValueError("TLS needs --tls_cert and --tls_key, and --tls_client_ca only with them")
    return None


def keys(api_key_file: str | None) -> api_keys.ApiKeys | None:
    """Returns the keys of `--api_key_file`, if it is given."""
    return api_keys.load(_path(api_key_file)) if api_key_file else None


def check_exposure(address: str, *, admits: bool, encrypted: bool, insecure: bool) -> None:
    """Refuses to serve everybody who can reach `address`.

    Args:
      address: that the server's socket is bound to.
      admits: whether clients need a key or a certificate.
      encrypted: whether TLS is spoken.
      insecure: whether the user has asked for it anyway.

    Raises:
      ValueError: other machines could command the robot.
    """
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return
    if not admits and not insecure:
        raise ValueError(
            f"on {address} every machine that reaches it could use this server; let in who has a key "
            "(--api_key_file=FILE, one key a line) or a certificate (--tls_client_ca), or say --insecure"
        )
    if not admits:
        _logger.warning("--insecure: every machine that reaches %s may use this server", address)
    elif not encrypted:
        _logger.warning("keys and images cross the network in clear: encrypt them with --tls_cert and --tls_key")


def _path(name: str) -> pathlib.Path:
    return pathlib.Path(name).expanduser()
