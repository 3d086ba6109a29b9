import datetime

import pytest

from openpi.checkpoints.assets import expiry


@pytest.mark.parametrize(
    ("key", "day"),
    [
        ("openpi-assets/checkpoints/pi0_aloha_pen_uncap", (2025, 2, 17)),
        ("openpi-assets/checkpoints/pi0_aloha_pen_uncap/params", (2025, 2, 17)),
        ("openpi-assets/checkpoints/pi0_libero", (2025, 2, 6)),
        ("openpi-assets/checkpoints/pi0_base/assets", (2025, 2, 3)),
    ],
)
def test_replaced_checkpoints(key, day):
    midnight = datetime.datetime(*day).timestamp()
    assert expiry.expired(key, midnight - 1)
    assert not expiry.expired(key, midnight + 1)


@pytest.mark.parametrize(
    "key", ["openpi-assets/droid/x.json", "big_vision/tokenizer", "hf/openpi-assets/checkpoints/x"]
)
def test_others_stay(key):
    assert not expiry.expired(key, 0.0)
