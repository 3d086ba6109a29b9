from openpi.docs import page

_PAGE = """# A page

<!-- run by //a:b_test -->
```console
$ tools/bazel run //a -- \\
    --x=1
what it printed
$ cp a b  # a remark
```

<!-- somewhere else -->

```
# nothing
tools/bazel test //...
```

```python
no = "command"
```

    tools/bazel run //b  # once

| a | b |
| --- | --- |
| one | `x | y` and more |
| two | |

| c |
| --- |
| `three` |
"""


def test_blocks_hold_commands_lines_and_marks():
    first, second = page.blocks(_PAGE)
    assert first == page.Block(4, ("tools/bazel run //a -- --x=1", "cp a b"), "run by //a:b_test")
    assert second == page.Block(13, ("tools/bazel test //...",), "")
    assert _PAGE.splitlines()[second.line - 1] == "```"


def test_indented_lines_are_commands_too():
    assert page.indented(_PAGE) == ["tools/bazel run //b"]


def test_tables_hold_cells_by_line():
    assert list(page.tables(_PAGE)) == [
        (26, ["one", "`x | y` and more"]),
        (27, ["two", ""]),
        (31, ["`three`"]),
    ]
    assert "python" not in page.prose(_PAGE) and "| one |" in page.prose(_PAGE)
    assert page.code("see `a/b.py` and `--c`") == ["a/b.py", "--c"]
