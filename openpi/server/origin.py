"""Which requests a web page made: a browser on the robot's network must not hand the robot's cameras to any page it opens."""

import ipaddress
import socket
import urllib.parse


def is_foreign(origin: str, host: str | None) -> bool:
    """Whether a page from elsewhere (`Origin`) opens a websocket at this server (`Host`). Robots' clients send no origin."""
    return urllib.parse.urlsplit(origin).netloc.lower() != (host or "").lower()


def is_own(host: str | None) -> bool:
    """Whether `Host` is an address, localhost or this machine's name.

    Any other name may be of someone who lets it point here, so that his page counts as one of this server (DNS rebinding).
    """
    name = urllib.parse.urlsplit(f"//{host or ''}").hostname or ""
    machine = socket.gethostname().lower()
    if name in ("localhost", machine, f"{machine}.local", machine.partition(".")[0]):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
