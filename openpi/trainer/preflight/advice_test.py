import dataclasses
import re

import numpy as np
import pytest

from openpi.trainer import tiny_dataset
from openpi.trainer.preflight import advice


def facts(config, **changes):
    """What a sound dataset and batch of `config` look like."""
    model, keys, batch = config.model, config.model.image_keys, config.batch_size
    rng = np.random.default_rng(0)
    used = np.arange(model.max_token_len) < model.max_token_len // 2
    sound = {
        "fps": 10.0,
        "episode_lengths": np.full(20, 100),
        "robot_sample": {"state": np.zeros(14), "actions": np.zeros((model.action_horizon, 14))},
        "has_stats": True,
        "batch": {
            "image": {key: rng.integers(0, 255, (batch, 8, 8, 3), np.uint8) for key in keys},
            "image_mask": {key: np.ones(batch, bool) for key in keys},
            "state": rng.normal(size=(batch, 14)),
            "actions": rng.normal(size=(batch, model.action_horizon, 14)),
            "tokenized_prompt_mask": np.tile(used, (batch, 1)),
            "token_loss_mask": np.tile(used, (batch, 1)),
        },
    }
    batch_changes = {key: change for key, change in changes.items() if key in sound["batch"]}
    for key, change in batch_changes.items():
        sound["batch"][key] = change(sound["batch"][key])
    return advice.Facts(**sound | {key: value for key, value in changes.items() if key not in batch_changes})


def test_a_sound_dataset_is_left_in_peace():
    for variant in ("aloha_reach", "aloha_reach_fast"):
        config = tiny_dataset.config(variant)
        assert advice.check(config, facts(config)) == []


@pytest.mark.parametrize(
    ("changes", "settings", "text"),
    [
        ({"robot_sample": {"state": np.zeros(20), "actions": np.zeros((4, 14))}}, {}, r"PROBLEM: .*20 numbers in state and config\.model\.action_dim is 14"),
        ({"robot_sample": {"state": np.zeros(14), "actions": np.zeros((5, 14))}}, {}, r"PROBLEM: a chunk has 5 actions and config\.model\.action_horizon is 4"),
        ({"fps": 50.0}, {}, r"advice: .*=4 at 50 frames a second is 0\.08 s: very short"),
        ({"fps": 0.5}, {}, r"advice: .*is 8\.00 s: long for a chunk"),
        ({"episode_lengths": np.array([3] + [200] * 9)}, {}, r"advice: 1 of 10 episodes are shorter than the chunk of 4 steps"),
        ({"episode_lengths": np.full(9, 4)}, {}, r"advice: 38% of all action steps lie behind"),
        ({}, {"batch_size": 3000}, r"PROBLEM: config\.batch_size=3000 is more than the dataset's 2000 frames"),
        ({"image_mask": lambda masks: {key: ~mask for key, mask in masks.items()}}, {}, "PROBLEM: no camera reaches the model"),
        ({"image": lambda images: {key: image * 0 for key, image in images.items()}}, {}, "advice: every image of base_0_rgb is of one colour"),
        ({"state": lambda x: x * np.nan}, {}, "PROBLEM: state holds values that are not finite"),
        ({"actions": lambda x: x + 90 * (np.arange(14) == 6)}, {}, r"advice: normalized actions reach 9\d\.?\d* in dim 6"),
        ({"tokenized_prompt_mask": lambda x: x | True}, {}, r"advice: the prompt fills all 8 tokens"),
        ({"tokenized_prompt_mask": lambda x: x & (np.arange(8) < 1)}, {}, r"advice: the longest prompt of this batch has 1 of 8 tokens"),
    ],
)  # fmt: skip
def test_what_is_odd_is_said_once(changes, settings, text):
    config = tiny_dataset.config(**settings)
    found = [str(finding) for finding in advice.check(config, facts(config, **changes))]
    assert len(found) == 1 and re.match(text, found[0]), found


def test_a_camera_that_the_robot_lacks_is_advice():
    config = tiny_dataset.config(model__image_keys=("base_0_rgb", "left_wrist_0_rgb"))
    masks = lambda masks: masks | {"left_wrist_0_rgb": masks["base_0_rgb"] & False}
    (found,) = advice.check(config, facts(config, image_mask=masks))
    assert not found.problem and "leaves out left_wrist_0_rgb" in found.text


def test_fast_needs_the_robots_width_and_room_for_actions():
    config = tiny_dataset.config("aloha_reach_fast", model__action_dim=16)
    found = advice.check(config, facts(config, token_loss_mask=lambda x: x & False))
    assert [finding.problem for finding in found] == [True, True]
    assert "pi0_fast needs the same number" in found[0].text and "no action token left" in found[1].text


def test_wild_numbers_count_only_when_normalized():
    config = tiny_dataset.config()
    wild = facts(config, state=lambda x: x * 100)
    assert len(advice.check(config, wild)) == 1
    assert advice.check(config, dataclasses.replace(wild, has_stats=False)) == []


def test_problems_come_first():
    config = tiny_dataset.config(batch_size=3000)
    found = advice.check(config, facts(config, fps=50.0))
    assert [finding.problem for finding in found] == [True, False]
