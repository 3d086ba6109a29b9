import pathlib

import pytest

from openpi.client import robot_description
from openpi.config import load
from openpi.robots.template import environment, robot_file

_OWN = pathlib.Path(__file__).with_name("my_robot.py")
_TEXT = _OWN.read_text(encoding="utf-8")


def test_the_templates_file_is_of_the_templates_configuration():
    file = robot_file.load(_OWN)
    description = load.load("experiments/template.py").data.robot.to_dict()
    assert environment.describe({"robot": description}, file) == robot_description.from_dict(description)
    assert file.open_driver is None
    assert file.home == (0, -45, 90, 0, 45, 0, 85)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("LIMITS = ", "LIMIT = ", "has no LIMITS; openpi/robots/template/my_robot.py explains it"),
        ("HOME = (0,", "HOME = (", "HOME has 6 numbers, and LIMITS 7 joints"),
        ("HOME = (0,", "HOME = (171,", "HOME has base at 171, beyond -170 to 170"),
        ("HOME = (0,", "HOME = (float('nan'),", "HOME has base at nan"),
        ("HOME_SECONDS = 3.0", "HOME_SECONDS = -1", "HOME_SECONDS=-1 must be 0 to 600"),
        ('Joint("base", -170', 'Joint("base", 180', "does not run: ValueError: joint 'base': lower=180"),
        ("max_speed=170)", "max_speed=170, velocity_step=1)", "joint 'gripper' takes velocities"),
        ("LIMITS = safety_limits.Limits(", "LIMITS = dict(", "LIMITS must be safety_limits.Limits, not dict"),
        ("import", "imprt", "does not run: SyntaxError"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(tmp_path, old, new, text):
    assert old in _TEXT
    path = tmp_path / "mine.py"
    path.write_text(_TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=f"--robot={path}.*") as error:
        robot_file.load(path)
    assert text in str(error.value)


def test_a_file_that_is_not_there_or_no_python_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file; openpi/robots/template/my_robot\.py is one to copy"):
        robot_file.load(tmp_path / "mine.py")
    (tmp_path / "mine.txt").write_text(_TEXT)
    with pytest.raises(ValueError, match="is not a Python file"):
        robot_file.load(tmp_path / "mine.txt")
