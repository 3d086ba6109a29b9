from openpi.docs import error_index

_SOURCE = """
def f(x, path):
    if x:
        raise ValueError(f"x={x!r} must be positive; " f"got it of {path}")
    try:
        raise error
    except OSError:
        raise
    raise KeyError(x)
    raise RuntimeError("a `plain` one, " + x)
    raise ValueError(f"{x}: {path}")
"""


def test_messages_have_their_lines_and_holes():
    assert sorted(error_index.messages(_SOURCE)) == [
        (4, "x={} must be positive; got it of {}"),
        (10, "a `plain` one, {}"),
    ]


def test_the_page_is_ordered_by_file_and_says_a_thing_once():
    text = error_index.render({"b.py": _SOURCE + _SOURCE, "c.py": "x = 1", "a.py": "raise ValueError('only')"})
    assert text.endswith(
        "## a.py\n\n- `only`\n\n## b.py\n\n- `x={} must be positive; got it of {}`\n- `a 'plain' one, {}`\n"
    )
    assert "c.py" not in text


def test_all_of_openpi_is_looked_at():
    sources = error_index.sources()
    assert {"openpi/config/load.py", "openpi/serve/main.py"} <= set(sources)
    assert not any(path.endswith("_test.py") for path in sources)
    assert error_index.render(sources).count("\n- `") > 400
