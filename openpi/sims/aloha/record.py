"""Records the expert's demonstrations of the reach task as a LeRobot dataset."""

import contextlib
import pathlib
import queue
import threading
from collections.abc import Generator

import numpy as np
import tqdm

from openpi.data.lerobot import writer
from openpi.sims.aloha import environment as environment_lib
from openpi.sims.aloha import expert
from openpi.sims.aloha import scene as scene_lib

RECORDED_STEPS = 14  # the expert arrives after about 10: the last frames show it holding still
IMAGE_SIZE = 224  # pixels, square
_IMAGE = f"observation.images.{scene_lib.CAMERA}"
_ARM_JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
_JOINTS = [f"{side}_{joint}" for side in ("left", "right") for joint in _ARM_JOINTS]
FEATURES = {
    _IMAGE: {"dtype": "video", "shape": (IMAGE_SIZE, IMAGE_SIZE, 3), "names": ["height", "width", "channels"]},
    "observation.state": {"dtype": "float32", "shape": (14,), "names": _JOINTS},
    "action": {"dtype": "float32", "shape": (14,), "names": _JOINTS},
}


def generate(
    root: str | pathlib.Path, *, num_episodes: int, seed: int = 0, num_threads: int = 2, progress: bool | None = None
) -> None:
    """Writes `num_episodes` demonstrations at `root`, whole or not at all.

    The same arguments give the same episodes, whatever the number of threads.

    Args:
        root: where the dataset will stand.
        num_episodes: of 14 frames each.
        seed: of the environment's "train" split.
        num_threads: that simulate and render.
        progress: show a bar; None: when the output is a terminal.

    Raises:
        ValueError: there is nothing to record.
        FileExistsError: there is something at `root`.
        RuntimeError: rendering is not possible on this machine.
    """
    if num_episodes < 1:
        raise ValueError(f"num_episodes={num_episodes}: a dataset needs at least one episode")
    bar = tqdm.tqdm(
        total=num_episodes,
        desc="recording demonstrations",
        unit="episode",
        disable=None if progress is None else not progress,
    )
    dataset = writer.LeRobotWriter(root, environment_lib.POLICY_HZ, FEATURES, robot_type="aloha")
    with bar, dataset, contextlib.closing(_simulate(num_episodes, seed, num_threads)) as demonstrations:
        for frames in demonstrations:
            for frame in frames:
                dataset.add_frame(frame)
            dataset.save_episode(environment_lib.PROMPT)
            bar.update()


def demonstrate(environment: environment_lib.ReachEnvironment, episode: int) -> list[dict[str, np.ndarray]]:
    """The frames of one demonstration, by the names of the dataset's features."""
    environment.reset(episode=episode)
    goal = expert.solve_goal(environment.scene)
    targets = environment.scene.joints()
    frames = []
    for _ in range(RECORDED_STEPS):
        observation = environment.get_observation()
        targets = expert.next_targets(targets, goal)
        image = observation["images"][scene_lib.CAMERA].transpose(1, 2, 0)
        frames.append({_IMAGE: image, "observation.state": observation["state"], "action": targets.astype(np.float32)})
        environment.apply_action({"actions": targets})
    return frames


def _simulate(num_episodes: int, seed: int, num_threads: int) -> Generator[list[dict[str, np.ndarray]], None, None]:
    """Demonstrations in order. Thread k makes every num_threads-th: MuJoCo and OpenGL work outside Python's lock."""
    stop = threading.Event()
    results: list[queue.Queue] = [queue.Queue(maxsize=4) for _ in range(num_threads)]

    def put(k: int, item: object) -> bool:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                results[k].put(item, timeout=0.1)
                return True
        return False

    def work(k: int) -> None:
        # An OpenGL context lives and dies in one thread.
        environment = environment_lib.ReachEnvironment(seed=seed, split="train", height=IMAGE_SIZE, width=IMAGE_SIZE)
        try:
            for episode in range(k, num_episodes, num_threads):
                if not put(k, demonstrate(environment, episode)):
                    return
        except Exception as error:  # noqa: BLE001 - raised where the result is awaited
            put(k, error)
        finally:
            environment.close()

    threads = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(num_threads)]
    for thread in threads:
        thread.start()
    try:
        for episode in range(num_episodes):
            result = results[episode % num_threads].get()
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        stop.set()
        for thread in threads:
            thread.join()
