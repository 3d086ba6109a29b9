import json

import pytest

from openpi.robots.driving import hardware_library


def test_what_is_there_is_imported():
    assert hardware_library.load("json", "pip install json") is json


@pytest.mark.parametrize("name", ["no_such_robot", "no_such_robot.arm", "json.no_such_part"])
def test_what_is_missing_is_named_with_its_remedy(name):
    with pytest.raises(RuntimeError, match=f"the Python module {name} is needed .*: pip install it; or try --dry_run"):
        hardware_library.load(name, "pip install it")


def test_a_library_that_does_not_load_says_why(tmp_path, monkeypatch):
    (tmp_path / "half_a_robot.py").write_text("raise ImportError('librobot.so: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match=r"half_a_robot is needed .*\(librobot\.so: cannot open"):
        hardware_library.load("half_a_robot", "pip install it")
