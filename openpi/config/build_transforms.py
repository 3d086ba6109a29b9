"""The road from a dataset row or an observation to the model and back, built once for training and serving alike."""

import dataclasses
import pathlib
from collections.abc import Mapping

from openpi.config import build_tokenizer, schema
from openpi.normalization import norm_stats as norm_stats_lib
from openpi.policies import aloha
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
        """Dataset row → model input with `actions`; `tasks` (task_index → text) makes the task the prompt."""
        from_task = [prompt.PromptFromLeRobotTask(tasks)] if tasks is not None else []
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
        robot=_ROBOTS[config.data.robot](config.data),
        model=_model(config, codec_dir),
        use_quantile_norm=config.data.use_quantile_norm,
    )


def statistics(config: schema.ConfigDict) -> transform.Transform:
    """Dataset row → `state` and `actions` as they are before normalization: what statistics are made of."""
    return transform.compose([*_repack(config).inputs, *_ROBOTS[config.data.robot](config.data).inputs])


def normalized(config: schema.ConfigDict, norm_stats: NormStats | None) -> transform.Transform:
    """Dataset row → `state` and `actions` as they are after normalization: what an action codec is made for."""
    return transform.compose([statistics(config), normalize.Normalize(norm_stats, config.data.use_quantile_norm)])


def asset_id(config: schema.ConfigDict) -> str:
    """The folder of the statistics below the assets directory, in a checkpoint too."""
    return config.data.asset_id or config.data.repo_id


def _aloha(data: schema.ConfigDict) -> transform.Group:
    group = transform.Group(
        inputs=(aloha.AlohaInputs(data.adapt_to_pi),), outputs=(aloha.AlohaOutputs(data.adapt_to_pi),)
    )
    if not data.use_delta_joint_actions:
        return group
    joints = actions.make_bool_mask(6, -1, 6, -1)
    return group.push(inputs=[actions.DeltaActions(joints)], outputs=[actions.AbsoluteActions(joints)])


_ROBOTS = {"aloha": _aloha}


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
