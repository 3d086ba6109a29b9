"""Commands in the documentation are real, and each block of them is run by a test or says why it is not.

The comment right above a block is `<!-- run by //TEST -->` or `<!-- not run: REASON -->`.
"""

import re

import pytest

from openpi.docs import build_targets, command_check, page
from tools import tree

_ROOT = tree.root()
_TARGETS = build_targets.read(_ROOT)
_PAGES = sorted(path.relative_to(_ROOT).as_posix() for path in tree.files("*.md"))
_GUIDES = [path for path in _PAGES if path.startswith("openpi/docs/")]
_BLOCKS = [
    pytest.param(block, id=f"{path}:{block.line}")
    for path in _GUIDES
    for block in page.blocks((_ROOT / path).read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("path", _PAGES)
def test_programs_and_flags_exist(path):
    text = (_ROOT / path).read_text(encoding="utf-8")
    for line, command in [(block.line, command) for block in page.blocks(text) for command in block.commands]:
        assert command_check.problems(command, _TARGETS) == [], f"{path}, line {line}: {command}"
    for command in page.indented(text):
        assert command_check.problems(command, _TARGETS) == [], f"{path}: {command}"


def test_there_is_something_to_check():
    assert {"README.md", "openpi/docs/fine_tuning.md", "experiments/README.md"} <= set(_PAGES)
    assert len(_BLOCKS) > 10


@pytest.mark.parametrize("block", _BLOCKS)
def test_a_block_is_run_or_says_why_not(block):
    if reason := re.fullmatch(r"not run: (.{15,})", block.mark):
        assert not reason[1].endswith("...")
        return
    run = re.fullmatch(r"run by (//\S+)", block.mark)
    assert run, "a comment above the block says `run by //TEST` or `not run: REASON`"
    rule = build_targets.find(_TARGETS, run[1])
    assert rule is not None and rule.kind == "py_test", f"{run[1]} is no test"
    for command in block.commands:
        assert command in _texts_of(rule), f"{run[1]} knows no such command: {command}"
        for program in command_check.programs(command):
            started = [
                label for label in rule.data if build_targets.full(label) == program or _actual(program) == label
            ]
            assert started, f"{run[1]} has no {program} in its data, so it cannot run it"


@pytest.mark.parametrize("path", _GUIDES)
def test_commands_within_the_text_exist(path):
    names = page.code(page.prose((_ROOT / path).read_text(encoding="utf-8")))
    for name in names:
        if name.startswith(("tools/bazel ", "python -m openpi")) and "{" not in name:
            assert command_check.problems(" ".join(name.split()), _TARGETS) == [], f"{path}: {name}"


@pytest.mark.parametrize("path", _GUIDES)
def test_files_and_targets_that_a_page_names_exist(path):
    names = page.code(page.prose((_ROOT / path).read_text(encoding="utf-8")))
    files = [
        name
        for name in names
        if re.fullmatch(r"(openpi|experiments|tools|third_party)/[\w./-]+", name) and "NAME" not in name
    ]
    assert [name for name in files if not (_ROOT / name).exists() and _made(name) is None] == []
    labels = [name for name in names if re.fullmatch(r"//[\w/]+(:\w+)?", name) and name != "//TEST"]
    unknown = [label for label in labels if build_targets.find(_TARGETS, label) is None]
    assert [label for label in unknown if not (_ROOT / label[2:] / "BUILD.bazel").exists()] == []


def _made(name):
    """The program of a path such as `openpi/client/action_chunk_broker`, or None."""
    folder, _, target = name.rpartition("/")
    return _TARGETS.get(f"//{folder}:{target}")


def _actual(label):
    return _TARGETS[label].actual


def _texts_of(rule):
    """What a test may read its commands from: its own file and the pages in its data, spaces as one."""
    paths = [rule.folder / name for name in rule.srcs]
    paths += [_ROOT / label.removeprefix("//").replace(":", "/") for label in rule.data if label.endswith(".md")]
    return " ".join(" ".join(path.read_text(encoding="utf-8").split()) for path in paths)
