import numpy as np
import pytest

from openpi.engine import present


def inputs(*, base=(True, True), wrist=(False, False), used=(3, 20), length=48):
    return {
        "image": {"base": np.ones((2, 4, 4, 3), np.uint8), "wrist": np.zeros((2, 4, 4, 3), np.uint8)},
        "image_mask": {"base": np.array(base), "wrist": np.array(wrist)},
        "state": np.zeros((2, 5), np.float32),
        "tokenized_prompt": np.arange(2 * length, dtype=np.int32).reshape(2, length),
        "tokenized_prompt_mask": np.arange(length) < np.array(used)[:, None],
    }


@pytest.mark.parametrize(
    ("given", "cameras", "length"),
    [
        ({}, ["base"], 32),
        ({"wrist": (False, True)}, ["base", "wrist"], 32),
        ({"base": (False, False), "wrist": (True, False)}, ["wrist"], 32),
        ({"base": (False, False)}, ["base"], 32),
        ({"used": (0, 0)}, ["base"], 32),
        ({"used": (32, 1)}, ["base"], 32),
        ({"used": (33, 48)}, ["base"], 48),
    ],
)
def test_only_what_a_row_has_is_kept(given, cameras, length):
    whole = inputs(**given)
    cut = present.present(whole)
    assert list(cut["image"]) == list(cut["image_mask"]) == cameras
    assert cut["tokenized_prompt"].shape == (2, length)
    np.testing.assert_array_equal(cut["tokenized_prompt"], whole["tokenized_prompt"][:, :length])
    assert cut["tokenized_prompt_mask"].sum() == whole["tokenized_prompt_mask"].sum()
    assert cut["state"] is whole["state"]
    assert list(whole["image"]) == ["base", "wrist"]  # the argument is left as it was


@pytest.mark.parametrize(
    ("longest", "expected"), [(48, [32, 48]), (200, [112, 160, 200]), (6, [6]), (16, [16]), (20, [16, 20])]
)
def test_prompts_are_cut_to_few_lengths(longest, expected):
    assert present.lengths(longest) == expected


@pytest.mark.parametrize(
    ("given", "cameras"),
    [
        ({}, ["base"]),
        ({"wrist": (True, False)}, ["base", "wrist"]),
        ({"base": (False, False), "wrist": (True, False)}, ["base", "wrist"]),
        ({"base": (False, False)}, ["base"]),
    ],
)
def test_cameras_come_in_given_combinations(given, cameras):
    views = [("wrist", "base"), ("base",)]
    assert list(present.present(inputs(**given), views)["image"]) == cameras


def test_without_a_fitting_combination_all_cameras_are_kept():
    assert list(present.present(inputs(), [("wrist",)])["image"]) == ["base", "wrist"]
