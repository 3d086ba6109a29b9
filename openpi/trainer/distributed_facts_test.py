import pytest

from openpi.config import load
from openpi.trainer import distributed_facts


def test_the_same_is_the_same():
    config = load.load("experiments/aloha.py:aloha_reach")
    facts = distributed_facts.of_config(config)
    assert facts["config.batch_size"] == config.batch_size
    assert facts["config.model.siglip.width"] == config.model.siglip.width
    assert facts["package jax"].count(".") == 2
    distributed_facts.compare({0: facts, 1: distributed_facts.of_config(config), 2: dict(facts)})


def test_data_and_devices():
    position = {"next_batch": 3, "order": {"seed": 1, "datasets": [{"frames": 18, "fingerprint": "0f"}]}}
    facts = distributed_facts.of_data(position, {"reach/norm_stats.json": b"{}"})
    assert facts["data.next_batch"] == 3
    assert facts["data.order.datasets"] == [{"frames": 18, "fingerprint": "0f"}]
    changed = distributed_facts.of_data(position, {"reach/norm_stats.json": b"{ }"})
    with pytest.raises(ValueError, match=r"reach/norm_stats.json \(its SHA-256\) is '44136"):
        distributed_facts.compare({0: facts, 1: changed})
    assert distributed_facts.of_devices()["devices"].endswith(" x cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config.batch_size": 8}, "config.batch_size is 16 in process 0 and 8 in process 1"),
        ({"Python": "3.9.0"}, "Python is '3."),
        ({"new": 1}, "new is 'absent' in process 0 and 1 in process 1"),
        ({"config.freeze": "x" * 1000}, "xxx..."),
    ],
)
def test_what_differs_is_named(change, words):
    config = load.load("experiments/aloha.py:aloha_reach").copy_and_resolve_references()
    config.batch_size = 16
    facts = distributed_facts.of_config(config)
    with pytest.raises(ValueError, match="the processes do not agree: ") as error:
        distributed_facts.compare({0: facts, 1: facts | change, 2: facts})
    assert words in str(error.value)
    assert len(str(error.value)) < 400
