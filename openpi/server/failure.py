"""What a client is told when its request fails: a code, a text for people, the request's id; never a traceback."""

from openpi.client import msgpack_numpy

# The close frame that follows the text; a websocket close reason may have at most 123 bytes.
CLOSE_CODE = 1011
CLOSE_REASON = "Request failed; the text frame before this says why."

# Faults of the request: their text is for the sender. Anything else is a fault of ours, whose text may tell too much.
_REQUEST_FAULTS = (ValueError, KeyError, TypeError)

_INTERNAL = "InternalError: inference failed; the server's log says why under this id"


class Refused(Exception):
    """A request that may be fine but is not answered; `code` says why, the text how to be answered next time."""

    def __init__(self, code: str, text: str):
        super().__init__(text)
        self.code = code


def too_late(waited_seconds: float) -> Refused:
    """A request whose deadline passed while it waited."""
    return Refused(
        "deadline_exceeded",
        f"the model was busy for {waited_seconds * 1000:.0f} ms, longer than this request may wait; send a new "
        "observation, or let it wait longer (deadline_ms of the request, --max_wait_ms of the server)",
    )


def queue_full() -> Refused:
    """A client that sends on while one of its requests runs and another waits."""
    return Refused(
        "queue_full",
        "a third observation came while one is being answered and one waits; read each reply before sending on",
    )


def rate_limited(max_rate: float) -> Refused:
    """A client that sends faster than it may."""
    return Refused(
        "rate_limited", f"more than {max_rate:g} requests a second; send fewer, or raise --max_rate of the server"
    )


def code_of(error: Exception) -> str:
    """The code of a failure.

    `bad_message` (not of the wire format), `bad_observation` (the policy cannot use it), `internal_error`, and those of
    `Refused`: `deadline_exceeded`, `queue_full`, `rate_limited`.
    """
    if isinstance(error, Refused):
        return error.code
    if isinstance(error, msgpack_numpy.DecodeError):
        return "bad_message"
    return "bad_observation" if isinstance(error, _REQUEST_FAULTS) else "internal_error"


def describe(error: Exception, request_id: str) -> str:
    """Returns the text frame for `error`: `<code> in request <id>`, newline, `<type>: <message>`, newline."""
    code = code_of(error)
    if code == "internal_error":
        return f"{code} in request {request_id}\n{_INTERNAL}\n"
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    return f"{code} in request {request_id}\n{type(error).__name__}: {message}\n"


def is_ours(error: Exception) -> bool:
    """Whether `error` is the server's own fault, so that its log needs the traceback."""
    return code_of(error) == "internal_error"
