"""TLS of the server from certificate files; with an authority for clients, only theirs are let in (mutual TLS)."""

import pathlib
import ssl


def server_context(cert: pathlib.Path, key: pathlib.Path, client_ca: pathlib.Path | None = None) -> ssl.SSLContext:
    """Returns what a server needs to speak TLS 1.2 or later.

    Args:
      cert: PEM file of the certificate, those of its issuers behind it.
      key: PEM file of its private key, without a passphrase.
      client_ca: PEM file of the authority that signs the clients' certificates; None asks clients for none.

    Raises:
      ValueError: a file is missing or of no use; one line that names it.
    """
    for path in (cert, key, client_ca):
        if path is not None and not path.is_file():
            raise ValueError(f"TLS: there is no file {path}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    def no_passphrase() -> str:
        raise ValueError(f"TLS: the key {key} has a passphrase; give one without")

    try:
        context.load_cert_chain(cert, key, password=no_passphrase)
    except ssl.SSLError as error:
        raise ValueError(
            f"TLS: {cert} and {key} are no certificate and its key in PEM format ({error.reason})"
        ) from None
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            raise ValueError(f"TLS: {client_ca} holds no certificate in PEM format ({error.reason})") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context
