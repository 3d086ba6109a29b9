import pytest

from openpi.config import load, table, validate


@pytest.mark.parametrize("name", table.CONFIG_TABLE)
def test_every_named_configuration_loads_and_is_valid(name):
    config = load.load(table.config_path(name))
    assert config.name == name
    assert config.is_locked
    validate.validate(config)


def test_resolve_splits_file_and_variant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    assert load.resolve("mine.py:big") == (tmp_path / "mine.py", "big")
    path, variant = load.resolve("experiments/aloha.py")
    assert path.name == "aloha.py"
    assert variant == ""
