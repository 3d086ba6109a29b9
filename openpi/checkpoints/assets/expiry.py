"""Published assets that were replaced under the same name: what was cached before is out of date."""

import datetime

# Start of the key, and the day since when a copy is good. The first match wins.
_GOOD_SINCE = (
    ("openpi-assets/checkpoints/pi0_aloha_pen_uncap", datetime.datetime(2025, 2, 17)),
    ("openpi-assets/checkpoints/pi0_libero", datetime.datetime(2025, 2, 6)),
    ("openpi-assets/checkpoints/", datetime.datetime(2025, 2, 3)),
)


def expired(key: str, cached_at: float) -> bool:
    """Whether a copy of the asset at `key` that was made at `cached_at` (seconds since 1970) is out of date."""
    for start, day in _GOOD_SINCE:
        if key.startswith(start):
            return cached_at <= day.timestamp()
    return False
