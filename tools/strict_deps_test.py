"""The strict-dependency aspect: what it asks of the fixture targets, and what its checker answers."""

import json
import pathlib

import pytest

from tools import strict_deps_check

_FIXTURES = pathlib.Path("tools/testdata/strict_deps")  # from the root of the runfiles, as the aspect's paths are
_NUMPY = "//third_party/python:numpy"


def _check_fixture(name: str) -> list[str]:
    return strict_deps_check.check(json.loads((_FIXTURES / f"{name}.strict_deps.json").read_text()))


def test_a_target_whose_deps_are_its_imports_passes():
    assert _check_fixture("good") == []


def test_each_undeclared_import_fails_with_the_label_to_add():
    outside, own = _check_fixture("undeclared_import")
    assert "undeclared_import.py:5: imports numpy" in outside
    assert outside.endswith(f"add {_NUMPY}")
    assert "undeclared_import.py:7: imports tools.testdata.strict_deps.good" in own
    assert "add //tools/testdata/strict_deps:good" in own


def test_an_unused_dep_fails():
    assert _check_fixture("unused_dep") == [
        f"//tools/testdata/strict_deps:unused_dep: dep {_NUMPY} is never imported: remove it"
    ]


def test_the_process_fails_and_writes_no_stamp(tmp_path, capsys):
    stamp = tmp_path / "stamp"
    assert strict_deps_check.main(str(_FIXTURES / "unused_dep.strict_deps.json"), str(stamp)) == 1
    assert "never imported" in capsys.readouterr().err
    assert not stamp.exists()
    assert strict_deps_check.main(str(_FIXTURES / "good.strict_deps.json"), str(stamp)) == 0
    assert stamp.exists()


def _check_source(tmp_path: pathlib.Path, source: str, deps: dict[str, list[str]]) -> list[str]:
    path = tmp_path / "file.py"
    path.write_text(source)
    return strict_deps_check.check(
        {
            "label": "//openpi/a:b",
            "sources": {str(path): "openpi/a/b.py"},
            "deps": deps,
            "implied": ["//third_party/python:pytest"],
            "outside": {
                "//third_party/python:pillow": ["PIL"],
                "//third_party/python:orbax_checkpoint": ["orbax.checkpoint"],
            },
        }
    )


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("import PIL.Image", "//third_party/python:pillow"),
        ("from PIL import Image", "//third_party/python:pillow"),
        ("from orbax import checkpoint", "//third_party/python:orbax_checkpoint"),
        ("import orbax.checkpoint as ocp", "//third_party/python:orbax_checkpoint"),
        ("from openpi.models import gemma", "//openpi/models:gemma"),
        ("import openpi.models.gemma", "//openpi/models:gemma"),
        ("from openpi.models.gemma import Gemma", "//openpi/models:gemma"),
        ("from . import c", "//openpi/a:c"),
        ("from .c import D", "//openpi/a:c"),
        ("if True:\n    def f():\n        from openpi.models import gemma", "//openpi/models:gemma"),
    ],
)
def test_an_import_needs_its_label(tmp_path, source, label):
    (problem,) = _check_source(tmp_path, source, {})
    assert f"add {label}" in problem
    module = {
        "pillow": "PIL",
        "orbax_checkpoint": "orbax.checkpoint",
        "gemma": "openpi.models.gemma",
        "c": "openpi.a.c",
    }
    assert _check_source(tmp_path, source, {label: [module[label.split(":")[1]]]}) == []


@pytest.mark.parametrize("source", ["import os.path", "from __future__ import annotations", "import tomllib", "x = 1"])
def test_the_standard_library_needs_no_dep(tmp_path, source):
    assert _check_source(tmp_path, source, {}) == []


def test_an_unknown_package_is_named():
    request = {"label": "//a:b", "sources": {}, "deps": {}, "implied": [], "outside": {}}
    unknown = strict_deps_check.Import("frobnicate", None, "a/b.py", 1)
    assert "third_party/python" in strict_deps_check.suggest_label(unknown, request["outside"])


def test_an_implied_dep_may_stay_unused(tmp_path):
    assert _check_source(tmp_path, "x = 1", {"//third_party/python:pytest": ["pytest"]}) == []


def test_source_that_does_not_parse_fails(tmp_path, capsys):
    source, request, stamp = tmp_path / "b.py", tmp_path / "request.json", tmp_path / "stamp"
    source.write_text("def f(:\n")
    request.write_text(
        json.dumps({"label": "//a:b", "sources": {str(source): "a/b.py"}, "deps": {}, "implied": [], "outside": {}})
    )
    assert strict_deps_check.main(str(request), str(stamp)) == 1
    assert "a/b.py:1" in capsys.readouterr().err
