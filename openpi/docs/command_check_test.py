import pytest

from openpi.docs import build_targets, command_check
from tools import tree

_TARGETS = build_targets.read(tree.root())


@pytest.mark.parametrize(
    "command",
    [
        "tools/bazel test //...",
        "tools/bazel test --config=lerobot //openpi/data/lerobot_package/...",
        "tools/bazel run //openpi/train -- --config=experiments/aloha.py --config.model.siglip.width=96 --config.seed=1",
        "tools/bazel run //openpi/train -- --config_name=pi05_libero --dry_run",
        "tools/bazel run //openpi/train -- --config=my_robot.py:lora --config.validation.share=0.1",
        "bazel run //openpi/datasets:inspect -- my_dataset --png=pictures",
        "XLA_FLAGS=--any tools/bazel run //openpi/serve -- --noinsecure",
        "python -m openpi.client.check ws://host:8000 --requests=3",
        "tools/bazel run //openpi/robots/droid -- --external_camera=left --left_camera_id=1",
        "cp a b",
        "what a program printed: it isn't a command",
        "docker build -t any .",
    ],
)
def test_a_command_that_works_has_no_problem(command):
    assert command_check.problems(command, _TARGETS) == []


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("tools/bazel run //openpi/trian -- --help", "//openpi/trian is no target"),
        ("tools/bazel run //openpi/config:schema", "is a py_library, not a program"),
        ("tools/bazel run //openpi/serve -- --prot=1", "--prot=1: //openpi/serve has no such flag"),
        ("tools/bazel run //openpi/serve -- --dry_run", "has no such flag"),
        ("tools/bazel run //openpi/train -- --config_name=pi0_alhoa", "no such configuration"),
        ("tools/bazel run //openpi/train -- --config=experiments/aloha.py:nothing", "unknown variant"),
        ("tools/bazel run //openpi/train -- --config=experiments/aloha.py --config.model.hight=1", "no such field"),
        ("python -m openpi.client.chekc", "is no target"),
        ("python -m openpi.client.check --request=3", "has no such flag"),
    ],
)
def test_what_is_wrong_is_told(command, problem):
    (told,) = command_check.problems(command, _TARGETS)
    assert problem in told


def test_programs_are_what_bazel_runs():
    assert command_check.programs("tools/bazel run --config=cuda //openpi/train -- --x=//no") == [
        "//openpi/train:train"
    ]
    assert command_check.programs("tools/bazel test //openpi/train") == []
