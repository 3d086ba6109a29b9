import pytest

from openpi.docs import build_targets

_BUILD = """
load("//tools:defs.bzl", "py_binary", "py_library", "py_test")

py_binary(
    name = "b",
    deps = [":lib", "//other"],
)

py_library(
    name = "lib",
    srcs = ["lib.py"],
    data = ["page.md"] + ["//other:data"],
)

py_test(name = "lib_test", deps = [":lib"])

alias(name = "short", actual = ":b")

[py_library(name = made) for made in NAMES]
"""


@pytest.fixture
def targets(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "a/b/BUILD.bazel").write_text(_BUILD)
    (tmp_path / "other/BUILD.bazel").write_text('py_library(name = "other", srcs = ["o.py"], deps = ["//a/b:lib"])')
    (tmp_path / "a/b/main.py").write_text(
        'flags.DEFINE_string("mine", None, "")\nDEFINE_bool(\n    "loud", False)\nDEFINE_string(f"{side}_eye", 1)'
    )
    (tmp_path / "a/b/lib.py").write_text('parser.add_argument("--deep", type=int)')
    (tmp_path / "other/o.py").write_text("")
    return build_targets.read(tmp_path)


def test_targets_have_full_labels_and_loops_are_left_out(targets):
    assert set(targets) == {"//a/b:b", "//a/b:lib", "//a/b:lib_test", "//a/b:short", "//other:other"}
    assert targets["//a/b:b"].deps == ("//a/b:lib", "//other:other")
    assert targets["//a/b:b"].srcs == ("main.py",)
    assert targets["//a/b:lib"].data == ("//a/b:page.md", "//other:data")
    assert targets["//a/b:lib_test"].srcs == ("lib_test.py",)


def test_a_label_is_found_in_short_and_through_aliases(targets):
    assert build_targets.find(targets, "//a/b") is targets["//a/b:b"]
    assert build_targets.find(targets, "//a/b:short") is targets["//a/b:b"]
    assert build_targets.find(targets, "//a/b:page.md") is None


def test_flags_are_those_of_a_program_and_of_what_it_uses(targets):
    found = build_targets.flags(targets, "//a/b:short")
    assert {"mine", "loud", "deep", "{side}_eye", "help"} <= found
    assert "deep" in build_targets.flags(targets, "//other") and "mine" not in build_targets.flags(targets, "//other")
