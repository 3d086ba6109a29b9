"""The keys that let a client in: a file with one a line, compared without telling by the time how much was right."""

import base64
import binascii
import hashlib
import hmac
import pathlib

_SCHEME = "api-key "  # of the published clients: `Authorization: Api-Key KEY`
_LOGIN = "basic "  # of browsers: `Authorization: Basic BASE64(user:KEY)`
_MIN_LENGTH = 16


class ApiKeys:
    """A set of keys, of which only digests are kept in memory."""

    def __init__(self, keys: list[str]):
        """Takes the keys.

        Raises:
          ValueError: there is none, or one is too short or holds what no header can carry.
        """
        if not keys:
            raise ValueError("there is no API key; write one a line, e.g. from `openssl rand -hex 32`")
        for number, key in enumerate(keys, 1):
            if len(key) < _MIN_LENGTH:
                raise ValueError(f"API key {number} has {len(key)} characters; take at least {_MIN_LENGTH}")
            if not key.isascii() or not key.isprintable() or " " in key:
                raise ValueError(f"API key {number} must be of printable ASCII characters without spaces")
        self._digests = [_digest(key) for key in keys]

    def admit(self, authorization: str | None) -> bool:
        """Whether the value of an `Authorization` header holds one of the keys."""
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            return False
        return self._holds(authorization[len(_SCHEME) :].strip())

    def admit_login(self, authorization: str | None) -> bool:
        """Whether an `Authorization` header holds one of the keys, or is a browser's login with one as the password.

        For pages alone, never for a websocket: a browser adds its login to whatever another site makes it open.
        """
        if authorization is None or not authorization.lower().startswith(_LOGIN):
            return self.admit(authorization)
        try:
            login = base64.b64decode(authorization[len(_LOGIN) :].strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return self._holds(login.partition(b":")[2].decode(errors="replace"))

    def _holds(self, key: str) -> bool:
        given = _digest(key)
        # All of them are compared, whichever fits.
        return sum(hmac.compare_digest(given, digest) for digest in self._digests) > 0


def load(path: pathlib.Path) -> ApiKeys:
    """Reads the keys of a file: one a line; empty lines, and those that begin with #, are left out.

    Raises:
      OSError, ValueError: the file cannot be read, or holds no usable key; one line that names it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text; write one API key a line") from None
    except OSError as error:
        raise OSError(f"API keys cannot be read from {path}: {error.strerror}") from None
    keys = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    try:
        return ApiKeys(keys)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
