"""The whole tree is formatted and free of lint. To mend: tools/bazel run //tools:format."""

from tools import format as format_tool
from tools import tree


def test_the_whole_tree_is_seen():
    seen = {path.relative_to(tree.root()).as_posix() for path in tree.files("*.py", "*.bazel")}
    assert {"MODULE.bazel", "openpi/BUILD.bazel", "tools/lint_test.py"} <= seen


def test_python_is_formatted_and_free_of_lint():
    complaints = format_tool.format_python(check=True)
    assert not complaints, complaints


def test_build_files_are_formatted_and_free_of_lint():
    complaints = format_tool.format_bazel(check=True)
    assert not complaints, complaints
