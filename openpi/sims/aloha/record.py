"""Records the experts' demonstrations of one task, or of several in turn, as a LeRobot dataset."""

import contextlib
import itertools
import pathlib
import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tqdm

from openpi.data.lerobot import writer
from openpi.sims.aloha import environment as environment_lib
from openpi.sims.aloha import scene as scene_lib
from openpi.sims.aloha import tasks as tasks_lib

IMAGE_SIZE = 224  # pixels, square
_IMAGE = f"observation.images.{scene_lib.CAMERA}"
_ARM_JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
_JOINTS = [f"{side}_{joint}" for side in ("left", "right") for joint in _ARM_JOINTS]
FEATURES = {
    _IMAGE: {"dtype": "video", "shape": (IMAGE_SIZE, IMAGE_SIZE, 3), "names": ["height", "width", "channels"]},
    "observation.state": {"dtype": "float32", "shape": (14,), "names": _JOINTS},
    "action": {"dtype": "float32", "shape": (14,), "names": _JOINTS},
}
_PROMPT_STREAM = 2  # apart from the starts of the environment's splits
_FAILURES_IN_A_ROW = 20


class Demonstration(NamedTuple):
    """An episode of an expert: its frames, by the names of the dataset's features, its prompt, and whether it succeeded."""

    frames: list[dict[str, np.ndarray]]
    prompt: str
    success: bool


def generate(
    root: str | pathlib.Path,
    *,
    num_episodes: int,
    tasks: Sequence[str] = ("reach",),
    seed: int = 0,
    num_threads: int = 2,
    progress: bool | None = None,
) -> None:
    """Writes `num_episodes` successful demonstrations at `root`, whole or not at all.

    The tasks take turns, and each demonstration has one of its task's prompts. The same arguments give the same episodes,
    whatever the number of threads.

    Args:
        root: where the dataset will stand.
        num_episodes: of all tasks together.
        tasks: their names.
        seed: of the environments' "train" split.
        num_threads: that simulate and render.
        progress: show a bar; None: when the output is a terminal.

    Raises:
        ValueError: there is nothing to record, or no such task.
        FileExistsError: there is something at `root`.
        RuntimeError: rendering is not possible on this machine, or the expert fails again and again.
    """
    if num_episodes < 1:
        raise ValueError(f"num_episodes={num_episodes}: a dataset needs at least one episode")
    if not tasks:
        raise ValueError(f"tasks={tasks!r}: a dataset needs at least one of {sorted(tasks_lib.TASKS)}")
    bar = tqdm.tqdm(
        total=num_episodes,
        desc="recording demonstrations",
        unit="episode",
        disable=None if progress is None else not progress,
    )
    dataset = writer.LeRobotWriter(root, environment_lib.POLICY_HZ, FEATURES, robot_type="aloha")
    with bar, dataset, contextlib.closing(_simulate(tasks, seed, num_threads)) as demonstrations:
        for demonstration in itertools.islice(_successes(demonstrations), num_episodes):
            for frame in demonstration.frames:
                dataset.add_frame(frame)
            dataset.save_episode(demonstration.prompt)
            bar.update()


def demonstrate(environment: environment_lib.AlohaEnvironment, episode: int) -> list[dict[str, np.ndarray]]:
    """The frames of one demonstration, by the names of the dataset's features."""
    environment.reset(episode=episode)
    targets = environment.scene.joints()
    frames = []
    for _ in range(environment.task.demonstration_steps):
        observation = environment.get_observation()
        targets = environment.task.expert(environment.scene, targets)
        image = observation["images"][scene_lib.CAMERA].transpose(1, 2, 0)
        frames.append({_IMAGE: image, "observation.state": observation["state"], "action": targets.astype(np.float32)})
        environment.apply_action({"actions": targets})
    return frames


def _successes(demonstrations: Iterable[Demonstration]) -> Iterator[Demonstration]:
    """Those that succeeded. RuntimeError: many in a row did not."""
    failures = 0
    for demonstration in demonstrations:
        failures = 0 if demonstration.success else failures + 1
        if failures >= _FAILURES_IN_A_ROW:
            raise RuntimeError(
                f"the expert failed {failures} times in a row, the last time at {demonstration.prompt!r}; does the "
                "installed MuJoCo differ from the locked one?"
            )
        if demonstration.success:
            yield demonstration


def _simulate(names: Sequence[str], seed: int, num_threads: int) -> Generator[Demonstration, None, None]:
    """Demonstrations in order, without end. Thread k makes every num_threads-th: physics and OpenGL leave Python's lock."""
    stop = threading.Event()
    results: list[queue.Queue] = [queue.Queue(maxsize=4) for _ in range(num_threads)]

    def put(k: int, item: object) -> bool:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                results[k].put(item, timeout=0.1)
                return True
        return False

    def work(k: int) -> None:
        with contextlib.ExitStack() as stack:
            try:
                # An OpenGL context lives and dies in one thread.
                environments = [
                    tasks_lib.make(name, seed=seed, split="train", height=IMAGE_SIZE, width=IMAGE_SIZE)
                    for name in names
                ]
                for environment in environments:
                    stack.callback(environment.close)
                for episode in itertools.count(k, num_threads):
                    environment = environments[episode % len(names)]
                    frames = demonstrate(environment, episode)
                    prompts = environment.task.prompts
                    prompt = prompts[np.random.default_rng([_PROMPT_STREAM, seed, episode]).integers(len(prompts))]
                    success = environment.distance() <= environment.task.tolerance
                    if not put(k, Demonstration(frames, prompt, success)):
                        return
            except Exception as error:  # noqa: BLE001 - raised where the result is awaited
                put(k, error)

    threads = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(num_threads)]
    for thread in threads:
        thread.start()
    try:
        for episode in itertools.count():
            result = results[episode % num_threads].get()
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        stop.set()
        for thread in threads:
            thread.join()
