"""What a client may ask of a single inference, beside the observation: the entry `openpi` of its dict.

    policy.infer({"state": ..., "images": ..., "openpi": {"num_steps": 20}})

Published servers ignore the entry; without it everything is as configured.
"""

import dataclasses
import math

import numpy as np

from openpi.policies import continuation

KEY = "openpi"
MAX_NUM_STEPS = 100  # a client must not hold the model for ever
MAX_CANDIDATES = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """Settings of one inference; None leaves the policy's own.

    Attributes:
      num_steps: denoising steps of pi0 and pi0.5, 1 to 100.
      temperature: of the tokens that pi0-FAST draws; 0 takes the likeliest.
      noise: float [H, A] or [1, H, A], where pi0 and pi0.5 start from.
      candidates: chunks of pi0 and pi0.5 from as many noises, 1 to 16, of which the least uncertain is answered, with all of them
        beside it.
      rtc: what pi0 and pi0.5 go on from, see `continuation`; a client sends a dict.
      deadline_ms: for a server, which never begins with a request that has waited longer; counted from its arrival there.
    """

    num_steps: int | None = None
    temperature: float | None = None
    noise: np.ndarray | None = None
    candidates: int | None = None
    rtc: continuation.Continuation | None = None
    deadline_ms: float | None = None

    def __post_init__(self):
        """Raises ValueError for a value that cannot be used."""
        if self.num_steps is not None and not 1 <= _integer("num_steps", self.num_steps) <= MAX_NUM_STEPS:
            raise ValueError(f"num_steps={self.num_steps} is not between 1 and {MAX_NUM_STEPS} denoising steps")
        if self.candidates is not None and not 1 <= _integer("candidates", self.candidates) <= MAX_CANDIDATES:
            raise ValueError(f"candidates={self.candidates} is not between 1 and {MAX_CANDIDATES} chunks")
        if self.candidates is not None and self.rtc is not None:
            raise ValueError("candidates and rtc do not go together; leave one of them out")
        if self.temperature is not None and not 0 <= _number("temperature", self.temperature) < math.inf:
            raise ValueError(f"temperature={self.temperature} must be a finite number, 0 or more")
        if self.deadline_ms is not None and not 0 < _number("deadline_ms", self.deadline_ms) < math.inf:
            raise ValueError(f"deadline_ms={self.deadline_ms} must be a number of milliseconds above 0")


def take(observation: dict) -> tuple[dict, RequestOptions]:
    """Splits a client's dict into the observation and its options; the dict itself stays as it is.

    Raises:
      ValueError: there is no such option, or its value cannot be used.
    """
    given = observation.get(KEY)
    if given is None:
        return observation, RequestOptions()
    known = [field.name for field in dataclasses.fields(RequestOptions)]
    if not isinstance(given, dict):
        raise ValueError(f"observation['{KEY}'] must be a dict of {', '.join(known)}; got {type(given).__name__}")
    if unknown := [key for key in given if key not in known]:
        raise ValueError(f"observation['{KEY}'] has no option {unknown[0]!r}; there are: {', '.join(known)}")
    rest = {key: value for key, value in observation.items() if key != KEY}
    if given.get("rtc") is not None:
        given = {**given, "rtc": continuation.from_dict(given["rtc"])}
    return rest, RequestOptions(**given)


def _integer(name: str, value: object) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be a whole number; got {value!r:.80}")
    return int(value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"{name} must be a number; got {value!r:.80}")
    return float(value)
