import pytest
from absl import flags

from openpi.config import listing, load, table


def test_a_line_for_every_released_configuration(capsys):
    with pytest.raises(SystemExit) as ended:
        listing.ListFlag().parse("true")
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    described = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert set(described) == set(table.CONFIG_TABLE)
    assert all(len(line) < 180 for line in lines)
    assert {line[:-1] for line in lines if line.endswith(".py:")} == {file for file, _ in table.CONFIG_TABLE.values()}


def test_not_asked_for():
    listing.ListFlag().parse("false")
    values = flags.FlagValues()
    flags.DEFINE_flag(listing.ListFlag(), values)
    assert values(["program"]) == ["program"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "pi05_libero",
            "pi0.5 for libero: all parameters from pi05_base on physical-intelligence/libero, 30,000 steps of 256",
        ),
        (
            "pi0_fast_libero_low_mem_finetune",
            "pi0-FAST for libero: adapters (LoRA) from pi0_fast_base on physical-intelligence/libero, 30,000 steps of 32",
        ),
        ("aloha_reach", "small pi0 for aloha: all parameters from scratch on openpi/aloha_reach, 2,000 steps of 32"),
        ("pi0_aloha_towel", "pi0 for aloha: serves 'fold the towel'; is not trained"),
        ("pi05_droid", "pi0.5 for droid: serves any prompt; is not trained"),
        ("debug", "small pi0 for aloha: all parameters from scratch on random inputs, 10 steps of 2"),
        (
            "debug_restore",
            "small pi0 for aloha: all parameters from ./checkpoints/debug/debug/9 on random inputs, 10 steps of 2",
        ),
        (
            "pi05_droid_jointpos_polaris",
            "pi0.5 for droid: all parameters from pi05_droid_jointpos_polaris on droid and polaris_droid_cotrain_dataset,"
            " 1,000 steps of 128",
        ),
    ],
)
def test_the_line_says_what_the_configuration_does(name, line):
    assert listing.describe(load.load(table.config_path(name))) == line
