"""What a client is told when its request fails: a code, a text for people, the request's id; never a traceback."""

from openpi.client import msgpack_numpy

# The close frame that follows the text; a websocket close reason may have at most 123 bytes.
CLOSE_CODE = 1011
CLOSE_REASON = "Request failed; the text frame before this says why."

# Faults of the request: their text is for the sender. Anything else is a fault of ours, whose text may tell too much.
_REQUEST_FAULTS = (ValueError, KeyError, TypeError)

_INTERNAL = "InternalError: inference failed; the server's log says why under this id"


def describe(error: Exception, request_id: str) -> str:
    """Returns the text frame for `error`: `<code> in request <id>`, newline, `<type>: <message>`, newline.

    Codes: `bad_message` (not of the wire format), `bad_observation` (the policy cannot use it), `internal_error`.
    """
    if isinstance(error, msgpack_numpy.DecodeError):
        code = "bad_message"
    elif isinstance(error, _REQUEST_FAULTS):
        code = "bad_observation"
    else:
        return f"internal_error in request {request_id}\n{_INTERNAL}\n"
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    return f"{code} in request {request_id}\n{type(error).__name__}: {message}\n"


def is_ours(error: Exception) -> bool:
    """Whether `error` is the server's own fault, so that its log needs the traceback."""
    return not isinstance(error, _REQUEST_FAULTS)
