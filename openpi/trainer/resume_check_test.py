import json

import pytest

from openpi.checkpoints import layout
from openpi.config import json_file
from openpi.trainer import resume_check, tiny_dataset


@pytest.fixture
def checkpoint(tmp_path):
    path = layout.config_file(tmp_path / "7")
    path.parent.mkdir(parents=True)
    path.write_text(json_file.dumps(tiny_dataset.config()))
    return tmp_path / "7"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_train_steps": 1000, "log_interval": 7, "save_interval": 9, "keep_latest": 3, "keep_period": 2},
        {"exp_name": "other", "checkpoint_base_dir": "elsewhere", "assets_base_dir": "there", "resume": True},
        {"data__root": "elsewhere", "data__cache": "frames", "num_workers": 3, "fsdp_devices": 2},
        {"accumulation_steps": 2, "model__remat": "none"},
    ],
)
def test_what_may_change(checkpoint, settings):
    resume_check.config(checkpoint, tiny_dataset.config(**settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model__expert__width": 32}, "config.model.expert.width was 16 and is 32"),
        ({"optimizer__b1": 0.5}, "config.optimizer.b1 was 0.9 and is 0.5"),
        ({"freeze": ".*img.*"}, "config.freeze was '' and is '.*img.*'"),
        ({"lr_schedule__decay_steps": 9, "ema_decay": 0.0}, "config.lr_schedule.decay_steps was 4 and is 9"),
        ({"data__default_prompt": "be quick"}, "config.data.default_prompt was"),
        ({"data__use_quantile_norm": True}, "config.data.use_quantile_norm was False and is True"),
        ({"on_divergence": "skip"}, "config.on_divergence was 'stop' and is 'skip'"),
    ],
)
def test_what_must_not_change(checkpoint, settings, words):
    with pytest.raises(ValueError, match="cannot be resumed") as error:
        resume_check.config(checkpoint, tiny_dataset.config(**settings))
    assert words in str(error.value)
    assert "\n" not in str(error.value) and str(checkpoint) in str(error.value)


def test_many_changes_are_counted(checkpoint):
    changed = tiny_dataset.config(
        optimizer__b1=0.5, optimizer__b2=0.5, optimizer__eps=0.5, freeze="x", ema_decay=0.0, seed=1
    )
    with pytest.raises(ValueError, match=r"\(and 2 more\); set them back"):
        resume_check.config(checkpoint, changed)


def test_a_published_checkpoint_has_no_configuration(tmp_path):
    resume_check.config(tmp_path, tiny_dataset.config())


def test_assets(checkpoint):
    stats = checkpoint / "assets/me/robot/norm_stats.json"
    stats.parent.mkdir(parents=True)
    table = {"norm_stats": {"state": {"mean": [1.0, 2.5]}}}
    stats.write_text(json.dumps(table, indent=2))
    resume_check.assets(checkpoint, {"me/robot/norm_stats.json": json.dumps(table).encode(), "new.json": b"{}"})
    table["norm_stats"]["state"]["mean"][1] = 2.25
    with pytest.raises(ValueError, match=r"me/robot/norm_stats\.json is not what it was trained with") as error:
        resume_check.assets(checkpoint, {"me/robot/norm_stats.json": json.dumps(table).encode()})
    assert str(stats) in str(error.value)
