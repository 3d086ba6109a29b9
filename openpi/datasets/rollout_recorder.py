"""Records what a policy, a person, or both in turns do, as a LeRobot dataset: a subscriber of the runtime.

Each frame says whether a person chose its action (`intervention`, see openpi/runtime/takeover_agent.py), and whether it is
the episode's last (`next.done`), and that a success (`next.success`), as datasets of LeRobot's own simulators do.
"""

import collections
import concurrent.futures
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from openpi.data.lerobot import appender
from openpi.runtime import subscriber, takeover_agent

_BACKLOG = 64  # frames that may wait for the encoder, before the robot waits for it


class RolloutRecorder(subscriber.Subscriber):
    """Adds the runtime's episodes to the dataset at `root`, which is whole after each of them, whatever comes then.

    Features: `action` for the action's `actions`; `observation.images.NAME` for each picture, `observation.NAME` for all other
    numbers, NAME being their path in the observation without a leading "observation/" or "images/". The task is the `prompt`.
    An episode that an error or Ctrl-C breaks off is not saved. Frames are encoded beside the loop, in a thread.
    """

    def __init__(
        self,
        root: str | pathlib.Path,
        fps: float,
        *,
        robot_type: str | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        task: str | None = None,
        succeeded: Callable[[], bool | None] | None = None,
        keep: Callable[[], bool] = lambda: True,
        codec: str = "h264",
    ) -> None:
        """Prepares a recording; the dataset is begun, or opened to be gone on with, at the first frame.

        Args:
          root: the dataset's folder. One that is there must have the same rate, robot and features.
          fps: steps a second of the runtime.
          robot_type: kept in the dataset.
          names: feature -> a name for each of its numbers, e.g. {"action": ["waist", ...]}.
          task: the instruction, where observations hold no `prompt`.
          succeeded: asked at the end of an episode whether it was a success; None: nobody knows, and the dataset does not tell.
          keep: asked at the end of an episode whether to save it.
          codec: of the videos: "h264", "hevc" or "av1".
        """
        self._root, self._fps, self._task = root, fps, task
        self._robot_type, self._codec = robot_type, codec
        self._names = dict(names or {})
        self._succeeded, self._keep = succeeded, keep
        self._dataset: appender.LeRobotAppender | None = None
        self._worker = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="recorder")
        self._waiting: collections.deque[concurrent.futures.Future] = collections.deque()
        self._discarded = False
        self._last: dict[str, Any] | None = None  # held back until it is known whether another follows
        self._prompt: str | None = None
        self._outer: BaseException | None = None
        self.num_recorded = 0  # episodes saved by this recorder

    def __enter__(self) -> "RolloutRecorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def discard_episode(self) -> None:
        """The running episode will not be saved. May be called from any thread."""
        self._discarded = True

    def on_episode_start(self) -> None:
        self._last, self._prompt, self._discarded = None, None, False
        self._outer = sys.exception()

    def on_step(self, observation: dict, action: dict) -> None:
        """Raises ValueError or OSError where the dataset cannot take the frame, or could not take one before."""
        if self._last is not None:
            self._add(self._last, done=False)
        prompt = observation.get("prompt", self._task)
        if not isinstance(prompt, str) or prompt != (self._prompt or prompt):
            raise ValueError(
                f"the prompt is {prompt!r}, after {self._prompt!r}: an episode has one instruction, a text"
            )
        self._prompt = prompt
        self._last = {
            **_observed(observation),
            "action": np.array(action["actions"], np.float32),
            takeover_agent.INTERVENTION: np.bool_(action.get(takeover_agent.INTERVENTION, False)),
        }

    def on_episode_end(self) -> None:
        """Saves the episode, or forgets it. Raises OSError if the disk takes no more."""
        broken_off = sys.exception() is not self._outer
        if self._last is None:
            return
        last, self._last = self._last, None
        if broken_off or self._discarded or not self._keep():
            self._forget()
            return
        self._add(last, done=True)
        self._settle(0)
        assert self._dataset is not None and self._prompt is not None
        self._dataset.save_episode(self._prompt)
        self.num_recorded += 1

    def close(self) -> None:
        """Ends the recording; the dataset may be used. Safe to call twice."""
        self._worker.shutdown(wait=True)
        if self._dataset is not None:
            self._dataset.close()

    def _add(self, frame: dict[str, Any], *, done: bool) -> None:
        frame["next.done"] = np.bool_(done)
        if self._succeeded is not None:
            frame["next.success"] = np.bool_(done and bool(self._succeeded()))
        if self._dataset is None:
            features = {key: _feature(key, value, self._names.get(key)) for key, value in frame.items()}
            self._dataset = appender.LeRobotAppender(
                self._root, self._fps, features, robot_type=self._robot_type, codec=self._codec
            )
        self._waiting.append(self._worker.submit(self._dataset.add_frame, frame))
        self._settle(_BACKLOG)

    def _settle(self, most: int) -> None:
        """Waits until no more than `most` frames do; raises what the encoder raised."""
        while self._waiting and (len(self._waiting) > most or self._waiting[0].done()):
            self._waiting.popleft().result()

    def _forget(self) -> None:
        concurrent.futures.wait(self._waiting)
        self._waiting.clear()
        if self._dataset is not None:
            self._dataset.discard_episode()


def _observed(observation: Mapping[str, Any], path: str = "") -> dict[str, np.ndarray]:
    """The features of an observation: copies, pictures [H, W, 3]. Texts are none, nor what is meant for the server."""
    features = {}
    for name, value in observation.items():
        inner = f"{path}{name}"
        if isinstance(value, Mapping):
            features |= _observed(value, f"{inner}/") if inner != "openpi" else {}
        elif not isinstance(value, str):
            key, array = _named(inner, np.array(value))
            features[key] = array
    return features


def _named(path: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    name = path.removeprefix("observation/").removeprefix("images/").replace("/", ".")
    if array.dtype == np.uint8 and array.ndim == 3 and 3 in (array.shape[0], array.shape[2]):
        return f"observation.images.{name}", array if array.shape[2] == 3 else array.transpose(1, 2, 0)
    return f"observation.{name}", array.astype(np.float32) if array.dtype.kind == "f" else array


def _feature(key: str, value: np.ndarray, names: Sequence[str] | None) -> dict[str, Any]:
    if key.startswith("observation.images."):
        kind = "video" if value.shape[0] % 2 == 0 and value.shape[1] % 2 == 0 else "image"
        return {"dtype": kind, "shape": list(value.shape), "names": ["height", "width", "channels"]}
    shape = list(value.shape) or [1]
    if names is not None and len(names) != shape[0]:
        raise ValueError(f"names has {len(names)} names for {key!r}, whose shape is {shape}: give one for each number")
    return {"dtype": str(value.dtype), "shape": shape, "names": None if names is None else list(names)}
