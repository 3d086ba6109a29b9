import numpy as np
import pytest

from openpi.engine import fast_present, present

LENGTH = 48
SHORT, NEXT = present.lengths(LENGTH)[:2]


def inputs(*, black=(), absent=(), used=(3, 20), dtype=np.uint8, causal=False):
    """Two rows with the cameras a, b and c."""
    place = np.arange(LENGTH)
    return {
        "image": {key: np.full((2, 4, 4, 3), key not in black, dtype) for key in "cab"},
        "image_mask": {key: np.array([(key, row) not in absent for row in range(2)]) for key in "cab"},
        "tokenized_prompt": np.arange(2 * LENGTH, dtype=np.int32).reshape(2, LENGTH),
        "tokenized_prompt_mask": place < np.array(used)[:, None],
        "token_ar_mask": np.tile(np.int32((place == 2) & causal), (2, 1)),
    }


@pytest.mark.parametrize(
    ("given", "images", "length"),
    [
        ({}, "cab", SHORT),
        ({"used": (SHORT, 0)}, "cab", SHORT),
        ({"used": (SHORT + 1, 2)}, "cab", NEXT),
        ({"used": (0, LENGTH)}, "cab", LENGTH),
        ({"black": "b"}, "ca", SHORT),
        ({"black": "abc"}, "", SHORT),
        ({"black": "b", "dtype": np.float32}, "cab", SHORT),  # zeros are grey there
        ({"absent": [("a", 0), ("a", 1), ("b", 1)]}, "cab", SHORT),  # nothing lies before a and b
        ({"absent": [("b", 1)]}, "cab", LENGTH),  # a gap
        ({"absent": [("c", 0), ("c", 1)], "black": "c"}, "ab", LENGTH),
        ({"absent": [("c", 0), ("b", 0), ("a", 0)], "used": (0, 4)}, "cab", LENGTH),  # nothing at all
    ],
)
def test_only_what_is_read_is_kept(given, images, length):
    whole = inputs(**given)
    cut = fast_present.present(whole)
    assert list(cut["image"]) == list(images)
    assert cut["image_mask"] is whole["image_mask"]
    for key in ("tokenized_prompt", "tokenized_prompt_mask"):
        np.testing.assert_array_equal(cut[key], whole[key][:, :length])
        assert whole[key].shape == (2, LENGTH)  # the argument is left as it was


@pytest.mark.parametrize(
    ("given", "kept"),
    [({}, False), ({"causal": True}, True), ({"absent": [("b", 1)]}, True), ({"used": (0, 1)}, False)],
)
def test_the_mask_of_blocks_is_kept_where_there_are_several_or_gaps(given, kept):
    whole = inputs(**given)
    cut = fast_present.present(whole)
    assert set(cut) == set(whole) - (set() if kept else {"token_ar_mask"})
    if kept:
        np.testing.assert_array_equal(
            cut["token_ar_mask"], whole["token_ar_mask"][:, : cut["tokenized_prompt"].shape[1]]
        )


@pytest.mark.parametrize(
    ("black", "images"), [("b", "ca"), ("ab", "ca"), ("", "cab"), ("a", "cab"), ("abc", "ca"), ("c", "cab")]
)
def test_images_come_in_given_combinations(black, images):
    assert list(fast_present.present(inputs(black=black), ["abc", "ac"])["image"]) == list(images)


def test_without_a_fitting_combination_all_images_are_kept():
    assert list(fast_present.present(inputs(), ["ab"])["image"]) == list("cab")


def test_an_image_is_black_in_all_rows_or_it_is_read():
    whole = inputs()
    whole["image"]["a"][0] = 0
    assert list(fast_present.present(whole)["image"]) == list("cab")
