"""How patient a download is."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Fields in seconds end in `_s`."""

    stall_s: float = 30.0  # a server that sends nothing for so long is given up, and asked anew
    listing_s: float = 300.0  # for the whole listing of a folder, retries included
    attempts: int = 8  # in a row that bring nothing new, before a download fails
    backoff_s: float = 1.0  # wait before the second attempt; doubles up to max_backoff_s
    max_backoff_s: float = 30.0
    parallel: int = 8  # files at a time

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) <= 0:
                raise ValueError(f"limits.{field.name} is {getattr(self, field.name)}; give a positive number")
