"""A recording as a LeRobot dataset: each session an episode, of what the robot saw and the first action it was answered."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from openpi.client import image_tools, robot_description, robot_observation
from openpi.data.lerobot import writer
from openpi.server import record_file

_STATE, _ACTION, _CAMERA = "observation.state", "action", "observation.images."


@dataclasses.dataclass(frozen=True)
class Episode:
    """Requests of one session with one prompt, in order: the file of each, and its place there."""

    task: str
    requests: list[tuple[record_file.RecordFile, int]]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a dataset of a recording will hold.

    Attributes:
      robot: whose it is.
      episodes: in the order of their first requests.
      cameras: path of an image in the observations → height and width; those that every request has.
      left_out: paths of images that some requests lack.
      rate: requests a second within a session, the median; None if no session has two.
    """

    robot: robot_description.RobotDescription
    episodes: Sequence[Episode]
    cameras: Mapping[str, tuple[int, int]]
    left_out: Sequence[str]
    rate: float | None


def plan(files: Sequence[record_file.RecordFile], *, task: str | None) -> Plan:
    """Reads through a recording.

    Args:
      files: of the recording, in order.
      task: of requests without a prompt.

    Raises:
      ValueError: there is no request, no robot's description, or two robots; an image changes its size; a request has no
        prompt while `task` is None.
    """
    robot = _robot(files)
    sources = [*(camera.source for camera in robot.cameras if camera.source), *robot.ignored_cameras]
    sizes: dict[str, tuple[int, int]] = {}
    lacking: set[str] = set()
    latest: dict[str, tuple[Episode, float]] = {}  # of each session: its open episode, and when its last request came
    episodes: list[Episode] = []
    waits: list[float] = []
    for file in files:
        for index, record in enumerate(file):
            observation = record.observation
            prompt = _prompt(record, observation, task)
            episode, before = latest.get(record.session, (None, None))
            if before is not None:
                waits.append(record.arrived - before)
            if episode is None or episode.task != prompt:
                episode = Episode(prompt, [])
                episodes.append(episode)
            episode.requests.append((file, index))
            latest[record.session] = episode, record.arrived
            lacking |= _note_sizes(record, observation, sources, sizes)
    if not episodes:
        raise ValueError("the recording holds no request")
    wait = float(np.median(waits)) if waits else 0.0
    cameras = {source: size for source, size in sizes.items() if source not in lacking}
    return Plan(robot, episodes, cameras, sorted(lacking & sizes.keys()), 1 / wait if wait > 0 else None)


def write(
    planned: Plan, root: str | pathlib.Path, fps: float, *, progress: Callable[[Sequence[Episode]], Any] = iter
) -> None:
    """Writes the dataset.

    Args:
      planned: what it holds.
      root: where it will stand; see `LeRobotWriter`.
      fps: frames a second.
      progress: is given the episodes, and hands them out again one by one.

    Raises:
      OSError, ValueError: as `LeRobotWriter`, or an answer had no actions of this robot.
    """
    keys = _keys(planned.cameras)
    features: dict[str, Any] = {
        _STATE: {"dtype": "float32", "shape": [len(planned.robot.state_names)], "names": [*planned.robot.state_names]},
        _ACTION: {"dtype": "float32", "shape": [len(planned.robot.actions)], "names": [*planned.robot.actions]},
    }
    for source, (height, width) in planned.cameras.items():
        dtype = "image" if height % 2 or width % 2 else "video"  # videos have even sizes only
        features[keys[source]] = {
            "dtype": dtype,
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
        }
    with writer.LeRobotWriter(root, fps, features, robot_type=planned.robot.name) as dataset:
        for episode in progress(planned.episodes):
            for file, index in episode.requests:
                dataset.add_frame(_frame(planned, keys, file[index]))
            dataset.save_episode(episode.task)


def _robot(files: Sequence[record_file.RecordFile]) -> robot_description.RobotDescription:
    found: dict[str, Any] | None = None
    for file in files:
        described = file.header.metadata.get("robot")
        if not isinstance(described, dict):
            raise ValueError(
                f"{file.path} does not tell its robot: record with //openpi/serve, or convert with --config"
            )
        if found is not None and described != found:
            raise ValueError(f"{file.path} is of another robot than the files before it: give them one by one")
        found = described
    if found is None:
        raise ValueError("the recording holds no request")
    return robot_description.from_dict(found)


def _note_sizes(
    record: record_file.Record, observation: dict[str, Any], sources: Sequence[str], sizes: dict[str, tuple[int, int]]
) -> set[str]:
    """Notes height and width of each image in `sizes`, and returns the sources that are not there."""
    lacking = set()
    for source in sources:
        image = robot_observation.find(observation, source)
        if image is None:
            lacking.add(source)
            continue
        height, width = _pixels(image).shape[:2]
        if sizes.setdefault(source, (height, width)) != (height, width):
            raise ValueError(
                f"{source} changes its size in request {record.session}-{record.request}: give the files before and after "
                "one by one"
            )
    return lacking


def _prompt(record: record_file.Record, observation: dict[str, Any], task: str | None) -> str:
    prompt = observation.get("prompt")
    if isinstance(prompt, bytes):
        prompt = prompt.decode(errors="replace")
    if isinstance(prompt, str) and prompt:
        return prompt
    if task is None:
        raise ValueError(f"request {record.session}-{record.request} has no prompt: say with --task what the robot did")
    return task


def _keys(cameras: Mapping[str, Any]) -> dict[str, str]:
    """Name of each image in the dataset: the last part of its path, the whole path where that is not enough."""
    last = [source.rpartition("/")[2] for source in cameras]
    return {
        source: _CAMERA + (name if last.count(name) == 1 else source.replace("/", "."))
        for source, name in zip(cameras, last)
    }


def _frame(planned: Plan, keys: Mapping[str, str], record: record_file.Record) -> dict[str, Any]:
    observation, actions = record.observation, record.result.get("actions")
    count = len(planned.robot.actions)
    if not isinstance(actions, np.ndarray) or actions.ndim != 2 or actions.shape[1] != count or not len(actions):
        raise ValueError(f"request {record.session}-{record.request} was answered no actions [steps, {count}]")
    return {
        _STATE: robot_observation.read_state(planned.robot, observation).astype(np.float32),
        _ACTION: actions[0].astype(np.float32),
        **{keys[source]: _pixels(robot_observation.find(observation, source)) for source in planned.cameras},
    }


def _pixels(image: Any) -> np.ndarray:
    """uint8 [H, W, 3] of an image in any layout that robots send."""
    array = image_tools.convert_to_uint8(np.asarray(image))
    if array.ndim != 3 or 3 not in (array.shape[0], array.shape[2]):
        raise ValueError(f"an image must be [H, W, 3] or [3, H, W], got {list(array.shape)}")
    return array.transpose(1, 2, 0) if array.shape[0] == 3 else array
