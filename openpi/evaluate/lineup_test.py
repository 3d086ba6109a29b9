import os

import pytest

from openpi.evaluate import lineup
from openpi.policies import create, tiny_checkpoint


@pytest.fixture(scope="module")
def step_dir(tmp_path_factory):
    return tiny_checkpoint.write(tmp_path_factory.mktemp("checkpoints") / "tiny")


def _enter(step_dir, config=None, **options):
    given = {
        "checkpoint": str(step_dir),
        "server": None,
        "quantize": "none",
        "baselines": False,
        "replan_steps": 5,
        "seed": 3,
        "films": step_dir.parent / "films",
        "num_films": 1,
    }
    return lineup.enter(config or create.load_config(step_dir), **given | options)


def test_a_checkpoint_takes_part_under_its_name_with_noise_of_its_models_shape(step_dir):
    (one,) = _enter(step_dir).contestants
    assert (one.plan.policy, one.plan.seed, one.plan.split, one.plan.replan_steps) == (
        "checkpoint tiny/7",
        3,
        "test",
        5,
    )
    assert one.plan.noise_shape == (tiny_checkpoint.ACTION_HORIZON, create.load_config(step_dir).model.action_dim)
    assert _enter(step_dir, quantize="int8").contestants[0].plan.policy == "checkpoint tiny/7, int8"


def test_a_policy_that_draws_tokens_draws_for_itself_and_the_facts_say_so(step_dir):
    config = create.load_config(step_dir)
    config.model.type = "pi0_fast"
    entered = _enter(step_dir, config)
    assert entered.contestants[0].plan.noise_shape is None
    assert entered.facts["noise"] == "the policy's own, in the order of requests"
    assert _enter(step_dir).facts["noise"] == "of each episode, by its seed"


def test_a_checkpoint_that_was_written_anew_is_another(step_dir):
    before = _enter(step_dir).facts
    assert _enter(step_dir).facts == before
    path = next(path for path in step_dir.rglob("*") if path.is_file())
    later = path.stat().st_mtime + 3600
    os.utime(path, (later, later))
    after = _enter(step_dir).facts
    assert {name for name in before if before[name] != after[name]} == {"checkpoint_written"}
