"""What a converter gets of a raw recording, whatever its format."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class BadEpisodeError(ValueError):
    """A recording that cannot be converted. The message is one line that names its file, and what in it is wrong."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Episode:
    """One recording, opened and checked as far as its tables go.

    Attributes:
      task: the instruction.
      features: name -> `{"dtype", "shape", "names"}`, as `LeRobotWriter` takes them; cameras have dtype "image".
      num_frames: how many frames there are.
      frames: yields them one by one, images uint8 `[H, W, 3]` or as declared; raises BadEpisodeError at one that cannot
        be decoded.
    """

    task: str
    features: Mapping[str, Any]
    num_frames: int
    frames: Callable[[], Iterator[dict[str, Any]]]
