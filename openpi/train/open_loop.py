"""Draws what a checkpoint's policy predicts beside what was recorded, for episodes of a dataset.

    bazel run //openpi/train:open_loop -- --checkpoint=checkpoints/aloha_reach/default --episode=0,7

writes open_loop_<episode>.png for each and prints the mean error of each joint, in the robot's unit. At every --stride-th frame
the policy gets the recorded observation and predicts a chunk, whose first actions are drawn until the next. The dataset is that
of the checkpoint's configuration, or --dataset. Whether an episode was trained on is told by `config.validation`.
"""

import pathlib

import numpy as np
from absl import flags

from openpi.checkpoints import layout, locate
from openpi.checkpoints.assets import compiled_programs
from openpi.config import app, build_transforms, schema
from openpi.data import dataset as dataset_lib
from openpi.data import episode_split
from openpi.policies import create, policy
from openpi.trainer import data_source, open_loop
from openpi.transforms import prompt, transform

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "A run's folder, or one of its steps.", required=True)
_EPISODE = flags.DEFINE_list("episode", ["0"], "Numbers of the episodes.")
_DATASET = flags.DEFINE_string("dataset", None, "Folder of a LeRobot dataset; default: the configuration's.")
_STRIDE = flags.DEFINE_integer(
    "stride", None, "Steps between predictions; default: config.sampling.replan_steps.", lower_bound=1
)
_OUTPUT = flags.DEFINE_string("output", ".", "Folder for the pictures.")


def main(config: schema.ConfigDict | None) -> None:
    """Draws the episodes."""
    compiled_programs.keep()
    step_dir = locate.find_step_dir(_CHECKPOINT.value)
    config = (create.load_config(step_dir) if config is None else config).copy_and_resolve_references()
    config.data.cache = "none"
    if _DATASET.value is not None:
        config.data.update(root=_DATASET.value, generator="", mixture=())
    dataset = data_source.open_dataset(config)
    places = [_place(dataset, text) for text in _EPISODE.value]
    repack = build_transforms.build(config, layout.codec_dir(step_dir)).repack.inputs
    tasks = data_source.tasks(config, dataset)
    road = transform.compose([*([] if tasks is None else [prompt.PromptFromTask(tasks)]), *repack])
    robot = create.create_policy(config, step_dir)
    stride = min(_STRIDE.value or config.sampling.replan_steps, config.model.action_horizon)
    names = build_transforms.robot_of(config).actions
    for text, place in zip(_EPISODE.value, places, strict=True):
        predicted, recorded = _roll(dataset, place, road, robot, stride)
        path = pathlib.Path(_OUTPUT.value) / f"open_loop_{text}.png"
        open_loop.draw(
            path, predicted, recorded, names, f"episode {text}: {step_dir.parent.name}/{step_dir.name}", stride
        )
        errors = np.abs(predicted - recorded).mean(axis=0)
        print(f"episode {text}: {path}")
        print("\n".join(f"  {name:<20} {error:.4g}" for name, error in zip(names, errors, strict=True)), flush=True)


def _place(dataset: dataset_lib.Recorded, text: str) -> int:
    if hasattr(dataset, "parts"):
        raise ValueError("the configuration trains on a mixture: name one of its datasets with --dataset=FOLDER")
    known = episode_split.numbers(dataset).tolist()
    if not text.isdecimal() or int(text) not in known:
        raise ValueError(f"--episode={text}: the dataset has {len(known)} episodes, {known[0]} to {known[-1]}")
    return known.index(int(text))


def _roll(
    dataset: dataset_lib.Recorded, place: int, road: transform.Transform, robot: policy.Policy, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and recorded actions [T, A]."""
    start, stop = int(dataset.episodes.start[place]), int(dataset.episodes.stop[place])
    predicted, recorded = [], []
    for row in range(start, stop, stride):
        item = road(dataset[row])
        recorded.append(item.pop("actions"))
        predicted.append(robot.infer(item)["actions"])
    length = stop - start
    return open_loop.stitch(np.stack(predicted), stride, length), open_loop.stitch(np.stack(recorded), stride, length)


if __name__ == "__main__":
    app.define_config()
    app.run(main)
