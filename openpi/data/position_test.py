import json

import pytest

from openpi.data import position

ORDER = {
    "seed": 42,
    "batch_size": 32,
    "shuffle": True,
    "datasets": [
        {"frames": 100, "fingerprint": "ab", "weight": 0.5},
        {"frames": 9, "fingerprint": "cd", "weight": 0.5},
    ],
}


def test_survives_json():
    assert position.load(json.loads(json.dumps(position.save(7, ORDER))), ORDER) == 7


def test_a_checkpoint_from_before_there_was_an_order_in_it_goes_on():
    assert position.load({"next_index": 12}, ORDER) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, r"had config.seed=42, and now it is 1: going on would repeat"),
        ({"batch_size": 64}, r"had config.batch_size=32, and now it is 64.*set it back, or start a new run"),
        ({"shuffle": False}, "had config.shuffle=True, and now it is False"),
        ({"datasets": ORDER["datasets"][:1]}, "2 datasets, and now there are 1"),
        (
            {"datasets": [ORDER["datasets"][0], {"frames": 8, "fingerprint": "ef", "weight": 0.5}]},
            "dataset 1 of the mixture has changed .frames 9 then and 8 now, fingerprint cd then and ef now",
        ),
        (
            {"datasets": [ORDER["datasets"][0] | {"weight": 0.75}, ORDER["datasets"][1] | {"weight": 0.25}]},
            "dataset 0 of the mixture has changed .weight 0.5 then and 0.75 now",
        ),
    ],
)
def test_another_order_is_told_with_what_changed(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        position.load(position.save(7, ORDER), ORDER | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "no object: it is damaged"),
        ([], "no object: it is damaged"),
        ({}, "next_index=None"),
        ({"next_index": "5"}, "next_index='5'"),
        (position.save(0, ORDER) | {"version": 2}, "of version 2, and this openpi knows 1"),
        (position.save(-1, ORDER), "next_batch=-1, and needs a whole number"),
        (position.save(True, ORDER), "next_batch=True"),
        (position.save(1 << 70, ORDER), "needs a whole number: it is damaged"),
        (position.save(0, ORDER) | {"order": {**ORDER, "datasets": None}}, "0 datasets, and now there are 2"),
        (position.save(0, ORDER) | {"order": {**ORDER, "datasets": [3, 4]}}, "dataset 0 of the mixture has changed .3"),
        (position.save(0, ORDER) | {"order": []}, "damaged"),
    ],
)
def test_what_is_no_position_is_told(state, message):
    with pytest.raises(ValueError, match=message):
        position.load(state, ORDER)
