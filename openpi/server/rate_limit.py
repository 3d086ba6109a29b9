"""How often a client may ask: a bucket of tokens that fills at a steady rate, of which each request takes one."""

import time


class RateLimit:
    """The bucket of one session; a second's worth of requests may come at once."""

    def __init__(self, max_rate: float, now: float | None = None):
        """Starts full.

        Args:
          max_rate: requests a second in the long run.
          now: seconds; `time.monotonic()` if None.
        """
        self._rate = max_rate
        self._size = max(1.0, max_rate)
        self._tokens = self._size
        self._filled = time.monotonic() if now is None else now

    def take(self, now: float | None = None) -> bool:
        """Whether another request may be answered now; if so it is counted."""
        now = time.monotonic() if now is None else now
        self._tokens = min(self._size, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
