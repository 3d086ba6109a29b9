import pytest

from openpi.config import load, table, validate
from openpi.serve import environments


@pytest.mark.parametrize("name", environments.ENVIRONMENTS)
def test_each_has_a_configuration_that_holds(name):
    released = environments.ENVIRONMENTS[name]
    config = load.load(table.config_path(released.config_name))
    validate.validate(config)
    assert config.name == released.config_name
    assert name.partition("_")[0].lower() in config.data.robot.name


def test_the_published_choice():
    assert set(environments.ENVIRONMENTS) == {"ALOHA", "ALOHA_SIM", "DROID", "LIBERO"}
    # The real ALOHA has no checkpoint of its own: it gets the base model's.
    assert environments.ENVIRONMENTS["ALOHA"].checkpoint == "gs://openpi-assets/checkpoints/pi05_base"
    for name in ("ALOHA_SIM", "DROID", "LIBERO"):
        released = environments.ENVIRONMENTS[name]
        assert released.checkpoint == f"gs://openpi-assets/checkpoints/{released.config_name}"
