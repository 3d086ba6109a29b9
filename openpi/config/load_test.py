import pytest

from openpi.config import load, robots, table, validate


@pytest.mark.parametrize("name", table.CONFIG_TABLE)
def test_every_named_configuration_loads_and_is_valid(name):
    config = load.load(table.config_path(name))
    assert config.name == name
    assert config.is_locked
    validate.validate(config)


# spec: name -> type, prompt, asset id, delta, batch, steps, weights
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pi0_aloha", ("pi0", "", "trossen", True, 32, 30_000, "")),
        ("pi05_aloha", ("pi05", "", "trossen", True, 32, 30_000, "")),
        ("pi0_aloha_towel", ("pi0", "fold the towel", "trossen", True, 32, 30_000, "")),
        (
            "pi0_aloha_tupperware",
            ("pi0", "open the tupperware and put the food on the plate", "trossen", True, 32, 30_000, ""),
        ),
        ("pi0_aloha_pen_uncap", ("pi0", "uncap the pen", "trossen", True, 32, 20_000, "pi0_base/params")),
        ("pi05_aloha_pen_uncap", ("pi05", "uncap the pen", "trossen", True, 64, 20_000, "pi05_base/params")),
        ("pi0_aloha_sim", ("pi0", "Transfer cube", "", False, 32, 20_000, "pi0_base/params")),
    ],
)
def test_released_values(name, expected):
    c = load.load(table.config_path(name))
    data = c.data
    relative = tuple(data.robot.delta_mask) == robots.mask(6, -1, 6, -1)
    got = (c.model.type, data.default_prompt, data.asset_id, relative, c.batch_size)
    assert (*got, c.num_train_steps) == expected[:-1]
    assert c.weights.path.endswith(expected[-1])
    assert data.use_quantile_norm == (c.model.type == "pi05")
    assert data.robot.to_dict() == robots.aloha(delta=relative).to_dict()
    assert (c.lr_schedule.peak_lr, c.ema_decay, c.seed) == (2.5e-5, 0.99, 42)


def test_only_the_pen_configurations_have_three_cameras():
    assert set(load.load("experiments/aloha.py:pi0_aloha_pen_uncap").data.repack.images) == {
        "cam_high",
        "cam_left_wrist",
        "cam_right_wrist",
    }
    assert set(load.load("experiments/aloha.py:pi0_aloha_sim").data.repack.images) == {"cam_high"}


def test_resolve_splits_file_and_variant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    assert load.resolve("mine.py:big") == (tmp_path / "mine.py", "big")
    path, variant = load.resolve("experiments/aloha.py")
    assert path.name == "aloha.py"
    assert variant == ""
