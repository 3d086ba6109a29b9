"""A TCP socket bound before the model is loaded, so that a port in use is found out in the first second."""

import errno
import os
import socket


def bind(host: str, port: int) -> socket.socket:
    """Returns a TCP socket bound to `host`:`port` that does not listen: connections are refused until the server does.

    Args:
      host: name or address of the interface to serve on; a name is looked up, IPv4 first.
      port: 0 to 65535; 0 lets the system choose a free one (read it off `getsockname()`).

    Raises:
      ValueError: the port is out of range.
      OSError: the address cannot be had; one line that says which and how to mend it.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} is not between 0 and 65535; choose another with --port")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(
            f"host {host!r} cannot be resolved ({error}); give an address of this machine with --host"
        ) from None
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        # A server that has just ended leaves the port in TIME_WAIT; that must not keep the next one from starting.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise explain(error, host, port) from None
    return listener


def explain(error: OSError, host: str, port: int) -> OSError:
    """Returns `error` from binding or listening on `host`:`port` as one line that says how to mend it."""
    if error.errno == errno.EADDRINUSE:
        return OSError(f"port {port} on {host} is in use; stop the program that holds it or choose another with --port")
    if error.errno == errno.EACCES:
        return OSError(
            f"port {port} on {host} needs privileges that this user lacks; choose one above 1023 with --port"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return OSError(
            f"{host} is not an address of this machine; give one with --host (127.0.0.1 serves this machine only)"
        )
    return OSError(f"cannot serve on {host} port {port}: {os.strerror(error.errno) if error.errno else error}")
