import pytest

from openpi.testing import program, readme

TEXT = """# Title

```python
a = 1
```

```sh
rm nothing
```
  text with ```python inside
```python
b = a + 1


def c():
    return b
```
"""


def test_python_blocks_with_their_lines():
    assert readme.blocks(TEXT) == [(3, "a = 1\n"), (11, "b = a + 1\n\n\ndef c():\n    return b\n")]


def test_blocks_are_one_program(tmp_path):
    (tmp_path / "README.md").write_text(TEXT)
    variables = readme.run(tmp_path / "README.md", [])
    assert variables["c"]() == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("b = 1\nb / 0", r"README.md, line 8 \(example 2\): ZeroDivisionError: division by zero"),
        ("def f():\n    return missing\nf()", r"line 8 \(example 2\): NameError: name 'missing'"),
        ("b = 1\nb = = 2", r"line 8 \(example 2\): SyntaxError"),
        ("assert a == 2, 'not two'", r"line 7 \(example 2\): AssertionError: not two"),
        ("import nowhere", r"line 7 \(example 2\): ModuleNotFoundError"),
    ],
)
def test_what_fails_is_named(tmp_path, code, message):
    (tmp_path / "README.md").write_text(f"Text\n```python\na = 1\n```\n\n```python\n{code}\n```\n")
    with pytest.raises(AssertionError, match=message):
        readme.run(tmp_path / "README.md", [])


def test_a_readme_without_examples_fails(tmp_path):
    (tmp_path / "README.md").write_text("```sh\nls\n```\n")
    with pytest.raises(AssertionError, match="no block begins with ```python"):
        readme.run(tmp_path / "README.md", [])


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("from openpi.testing import program\nimport sys", [program]),
        ("from openpi.testing.program import command\nimport pytest", [program, pytest]),
        ("import openpi.testing.program as other", [program]),
    ],
)
def test_modules_are_those_that_are_imported(tmp_path, code, modules):
    (tmp_path / "README.md").write_text(f"```python\n{code}\n```\n")
    readme.run(tmp_path / "README.md", modules)
    with pytest.raises(AssertionError, match=r"modules are \[.*\], the examples import \[.*'openpi.testing.program"):
        readme.run(tmp_path / "README.md", modules[1:])
    with pytest.raises(AssertionError, match="'openpi.testing.readme'"):
        readme.run(tmp_path / "README.md", [*modules, readme])
