"""The road from a dataset row or an observation to the model and back, built once for training and serving alike."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from openpi.client import robot_description
from openpi.config import build_tokenizer, schema
from openpi.normalization import norm_stats as norm_stats_lib
from openpi.policies import robot as robot_lib
from openpi.transforms import (
    actions,
    fast_tokens,
    normalize,
    padding,
    prompt,
    repack,
    resize_images,
    select_images,
    transform,
)

NormStats = Mapping[str, norm_stats_lib.NormStats]


@dataclasses.dataclass(frozen=True)
class Transforms:
    """The stages of the road; training uses the inputs with `repack`, inference the inputs and outputs without.

    Attributes:
      repack: dataset names → the robot's names.
      robot: the robot's units → the model's space, and back.
      model: prompt, images, tokens and padding as the model takes them, and back.
      use_quantile_norm: how statistics are applied, between `robot` and `model`.
    """

    repack: transform.Group
    robot: transform.Group
    model: transform.Group
    use_quantile_norm: bool

    def training(self, norm_stats: NormStats | None, tasks: Mapping[int, str] | None = None) -> transform.Transform:
        """Dataset row → model input with `actions`; with `tasks` (task_index → text) the row's task becomes the prompt."""
        from_task = [prompt.PromptFromTask(tasks)] if tasks is not None else []
        return transform.compose([*from_task, *self.repack.inputs, *self._inputs(norm_stats)])

    def inference_input(self, norm_stats: NormStats | None, default_prompt: str | None = None) -> transform.Transform:
        """Observation → model input; the server's default prompt wins over the configuration's."""
        return transform.compose([prompt.InjectDefaultPrompt(default_prompt), *self._inputs(norm_stats)])

    def inference_output(self, norm_stats: NormStats | None) -> transform.Transform:
        """Model output (`state`, `actions` [H, A], or tokens [T] of pi0-FAST) → the robot's actions."""
        unnormalize = normalize.Unnormalize(norm_stats, self.use_quantile_norm)
        return transform.compose([*self.model.outputs, unnormalize, *self.robot.outputs])

    def _inputs(self, norm_stats: NormStats | None) -> list[transform.Transform]:
        return [*self.robot.inputs, normalize.Normalize(norm_stats, self.use_quantile_norm), *self.model.inputs]


def build(config: schema.ConfigDict, codec_dir: pathlib.Path | None = None) -> Transforms:
    """The transforms of a configuration.

    Args:
      config: the configuration.
      codec_dir: as for `build_tokenizer.actions`: the action codec that a checkpoint holds.

    Raises:
      FileNotFoundError: the tokenizer model is not there.
      OSError: it is elsewhere and cannot be fetched.
      ValueError: the tokenizer does not fit the configuration.
    """
    return Transforms(
        repack=_repack(config),
        robot=_robot(robot_of(config)),
        model=_model(config, codec_dir),
        use_quantile_norm=config.data.use_quantile_norm,
    )


def statistics(config: schema.ConfigDict) -> transform.Transform:
    """`state` and `actions` as they are before normalization: what statistics are made of.

    Takes a dataset's row or its tables, rows stacked: state parts [..., D of it], action chunks [..., H, A]; no images.
    """
    robot = robot_of(config)
    wanted = [part.key for part in robot.state] + ["actions"]
    numbers = repack.Repack(_only(config.data.repack.to_dict(), wanted))
    return transform.compose([numbers, robot_lib.RobotNumbers(robot), actions.DeltaActions(robot.delta_mask or None)])


def normalized(config: schema.ConfigDict, norm_stats: NormStats | None) -> transform.Transform:
    """Rows as `statistics` takes them → `state` and `actions` after normalization: what an action codec is made for."""
    return transform.compose([statistics(config), normalize.Normalize(norm_stats, config.data.use_quantile_norm)])


def robot_of(config: schema.ConfigDict) -> robot_description.RobotDescription:
    """The robot of a configuration. Raises ValueError if its description is none."""
    return robot_description.from_dict(config.data.robot.to_dict(), "config.data.robot")


def asset_id(config: schema.ConfigDict) -> str:
    """The folder of the statistics below the assets directory, in a checkpoint too."""
    return config.data.asset_id or config.data.repo_id or pathlib.PurePath(config.data.root).name


def _robot(robot: robot_description.RobotDescription) -> transform.Group:
    group = transform.Group(inputs=(robot_lib.RobotInputs(robot),), outputs=(robot_lib.RobotOutputs(robot),))
    relative = robot.delta_mask or None
    return group.push(inputs=[actions.DeltaActions(relative)], outputs=[actions.AbsoluteActions(relative)])


def _only(structure: Mapping[str, Any], wanted: Sequence[str], above: str = "") -> dict[str, Any]:
    """The part of a repack structure that makes the wanted paths."""
    kept = {}
    for name, source in structure.items():
        path = f"{above}{name}"
        if isinstance(source, Mapping):
            kept[name] = _only(source, wanted, f"{path}/")
        elif path in wanted:
            kept[name] = source
    return kept


def _repack(config: schema.ConfigDict) -> transform.Group:
    return transform.Group(inputs=(repack.Repack(config.data.repack.to_dict()),))


def _model(config: schema.ConfigDict, codec_dir: pathlib.Path | None) -> transform.Group:
    model, size = config.model, config.model.image_size
    seen = (
        prompt.InjectDefaultPrompt(config.data.default_prompt or None),
        select_images.SelectImages(tuple(model.image_keys)),
        resize_images.ResizeImages(size, size),
    )
    if model.type == "pi0_fast":
        tokenizer = build_tokenizer.actions(config, codec_dir)
        return transform.Group(
            inputs=(*seen, fast_tokens.TokenizeFASTInputs(tokenizer)),
            outputs=(fast_tokens.ExtractFASTActions(tokenizer, model.action_horizon, model.action_dim),),
        )
    tokenize = prompt.TokenizePrompt(build_tokenizer.prompt(config), model.discrete_state_input)
    return transform.Group(inputs=(*seen, tokenize, padding.PadStatesAndActions(model.action_dim)))
