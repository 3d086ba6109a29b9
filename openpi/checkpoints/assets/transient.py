"""Which errors of a download may pass by themselves, how long to wait for that, and what the others mean."""

import logging
import random
from collections.abc import Callable

import aiohttp
import tenacity

from openpi.checkpoints.assets import limits as limits_lib

_LOGGER = logging.getLogger("openpi")

# HTTP statuses that may pass.
STATUS = {408, 425, 429, 500, 502, 503, 504}

_BAD_URL = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)

_ACCESS_HINT = {
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to a key file that may read it",
    "hf": "accept the terms on its page if it has any, and set HF_TOKEN",
    "http": "check the address, or put the host's login into ~/.netrc",
}


class BrokenTransferError(ConnectionError):
    """The server's answer ended early, is too long or contradicts itself."""


def is_transient(error: BaseException) -> bool:
    """Whether asking again may help."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in STATUS
    if isinstance(error, (*_BAD_URL, aiohttp.ClientConnectorCertificateError)):
        return False
    return isinstance(error, aiohttp.ClientError | TimeoutError | ConnectionError)


def retrying(limits: limits_lib.Limits, name: str, progress: Callable[[], int] = lambda: 0) -> tenacity.AsyncRetrying:
    """Attempts that go on while they bring something new, and end after `limits.attempts` that don't.

    Args:
      limits: how patient to be.
      name: what is fetched, for the log.
      progress: grows when an attempt has brought something.
    """
    best = progress()
    idle = 0

    def count(state: tenacity.RetryCallState) -> None:
        nonlocal best, idle
        idle = 0 if progress() > best else idle + 1
        best = max(best, progress())

    def wait(state: tenacity.RetryCallState) -> float:
        return min(limits.max_backoff_s, limits.backoff_s * 2.0 ** (idle - 1)) * random.uniform(0.5, 1.0)

    def log(state: tenacity.RetryCallState) -> None:
        _LOGGER.warning("%s: %s; trying again", name, reason(state.outcome.exception()))

    return tenacity.AsyncRetrying(
        after=count,
        stop=lambda state: idle >= limits.attempts,
        wait=wait,
        retry=tenacity.retry_if_exception(is_transient),
        before_sleep=log,
        reraise=True,
    )


def explain(error: Exception, store: str, name: str) -> OSError:
    """The error of a download as one line that says what to do.

    Args:
      error: what ended the download.
      store: "gs", "hf" or "http".
      name: what could not be fetched.
    """
    status = error.status if isinstance(error, aiohttp.ClientResponseError) else None
    if status in (404, 410):
        return FileNotFoundError(f"{name} does not exist (HTTP {status}); check the address")
    if status in (401, 403):
        return PermissionError(f"{name} may not be read (HTTP {status}); {_ACCESS_HINT[store]}")
    if is_transient(error):
        return ConnectionError(
            f"could not fetch {name}: {reason(error)}; check the network and run again: what was fetched is kept"
        )
    return OSError(f"could not fetch {name}: {reason(error)}")


def reason(error: BaseException) -> str:
    """The error in a few words."""
    if isinstance(error, aiohttp.TooManyRedirects):
        return "it redirects without end"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP {error.status} {' '.join(error.message.split())}"
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, _BAD_URL):  # it quotes the whole URL, with what is secret in it
        return "that, or where it redirects to, is no valid URL"
    return " ".join(str(error).split()) or type(error).__name__
