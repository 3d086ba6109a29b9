"""The frames that a training is validated on: chosen once, read once, the same for every step and every run."""

import concurrent.futures
import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from openpi.config import build_transforms, schema
from openpi.data import collate, episode_split, mixture
from openpi.data import dataset as dataset_lib
from openpi.transforms import prompt, transform

_SEED = 0  # of what a dataset draws at random


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Episodes that are not trained on, and the road from their rows to the model and back.

    Attributes:
      dataset: those episodes.
      names: of the recorded actions' dimensions, A.
      repack: row → the robot's names; its `actions` [H, A] are the recorded ones.
      pad_key: of a row: which steps of the chunk lie behind the episode's end.
      see: repacked row → model input: as in training with its actions, and as when a robot asks without them.
      answer: a model's `state` and `actions` → the robot's `actions` [H, A].
    """

    dataset: dataset_lib.Recorded
    names: tuple[str, ...]
    repack: transform.Transform
    pad_key: str
    see: transform.Transform
    answer: transform.Transform


@dataclasses.dataclass(frozen=True)
class Frames:
    """Frames of held-out episodes, in memory.

    Attributes:
      episode: [N], the place of each frame's episode in the dataset.
      inputs: model inputs as in training, [N, ...]; under "asked", the prompt as it is when a robot asks: pi0-FAST learns
        actions as a part of it.
      state: [N, S] as the model sees it.
      recorded: [N, H, A] in the robot's units.
      valid: [N, H]; False behind the episode's end, where the recorded action is repeated.
    """

    episode: np.ndarray
    inputs: dict[str, Any]
    state: np.ndarray
    recorded: np.ndarray
    valid: np.ndarray

    def __len__(self) -> int:
        return len(self.episode)


def held_out(
    config: schema.ConfigDict,
    dataset: dataset_lib.Recorded,
    transforms: build_transforms.Transforms,
    stats: build_transforms.NormStats | None,
    tasks: Mapping[int, str] | None,
) -> HeldOut:
    """The road of a configuration, for a dataset whose episodes are held out."""
    from_task = [prompt.PromptFromTask(tasks)] if tasks is not None else []
    source = config.data.repack["actions"]
    return HeldOut(
        dataset=dataset,
        names=build_transforms.robot_of(config).actions,
        repack=transform.compose([*from_task, *transforms.repack.inputs]),
        pad_key=f"{source}_is_pad",
        see=transforms.inference_input(stats),
        answer=transforms.inference_output(stats),
    )


def split(config: schema.ConfigDict, dataset: Any) -> tuple[Any, Any]:
    """The dataset to train on, and the one that is held out, as `config.validation` says; None if nothing is.

    Raises:
      ValueError: see `episode_split.split`.
    """
    wanted = config.validation
    if not wanted.share and not wanted.episodes:
        return dataset, None
    return episode_split.split(dataset, share=wanted.share, episodes=wanted.episodes, seed=wanted.seed)


def spread(episodes: dataset_lib.Episodes, count: int) -> np.ndarray:
    """About `count` rows, ascending: as many of each episode as of the others, evenly spread; not more than there are."""
    start, stop = np.asarray(episodes.start), np.asarray(episodes.stop)
    chosen = np.unique(np.linspace(0, len(start) - 1, min(count, len(start))).round().astype(np.int64))
    each = max(1, count // len(chosen))
    rows = [start[place] + ((np.arange(each) + 0.5) * (stop[place] - start[place]) / each) for place in chosen]
    return np.unique(np.concatenate(rows).astype(np.int64))


def read(road: HeldOut, rows: np.ndarray) -> Frames:
    """Reads rows of the held-out dataset.

    Raises:
      ValueError: a row cannot be what the model takes.
    """
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        samples = list(threads.map(lambda row: _read(road, int(row)), rows))
    inputs = collate.collate((sample.inputs for sample in samples), len(samples))
    return Frames(
        episode=np.searchsorted(np.asarray(road.dataset.episodes.stop), rows, side="right"),
        inputs=inputs,
        state=np.asarray(inputs["state"], np.float32),
        recorded=np.stack([sample.recorded for sample in samples]),
        valid=np.stack([sample.valid for sample in samples]),
    )


def number(dataset: Any, place: int) -> int:
    """Of the episode at a place, as the recording counts; in a mixture, the place."""
    return place if isinstance(dataset, mixture.Mixture) else int(episode_split.numbers(dataset)[place])


@dataclasses.dataclass(frozen=True)
class _Sample:
    inputs: dict[str, Any]
    recorded: np.ndarray
    valid: np.ndarray


def _read(road: HeldOut, row: int) -> _Sample:
    dataset = road.dataset
    if isinstance(dataset, dataset_lib.Sampled):
        item = dataset.sample(row, np.random.default_rng((_SEED, row)))
    else:
        item = dataset[row]
    repacked = road.repack(item)
    recorded = np.asarray(repacked["actions"], np.float64)
    asked = road.see({key: value for key, value in repacked.items() if key != "actions"})
    text = {key: value for key, value in asked.items() if key.startswith("token")}
    inputs = road.see(repacked) | {"asked": text}
    padded = np.asarray(item.get(road.pad_key, np.zeros(len(recorded), bool)))
    return _Sample(inputs, recorded, ~padded)
