"""Writes the reference of all configuration fields, from `openpi/config/schema.py` itself: defaults as built, meanings as commented."""

import ast
import inspect
import io
import pathlib
import sys
import tokenize
from collections.abc import Iterator, Mapping
from typing import Any

from openpi.config import schema

_MODELS = {"pi0": "π0", "pi05": "π0.5", "pi0_fast": "π0-FAST"}
# Part of a configuration -> the function of the schema whose dict has its comments.
_PARTS = {"": "base_config", "model": "pi0_model", "data": "lerobot_data", "lr_schedule": "cosine_schedule"}
# Whose fields are explained elsewhere: shown in one row.
_WHOLE = ("data.robot", "model.siglip", "model.language", "model.expert")
_HEAD = """# Configuration reference

Made from `openpi/config/schema.py` at build. Any field can be set where a program starts: `--config.batch_size=64`; tuples and dicts as
Python writes them: `--config.data.action_sequence_keys="('action',)"`. The fields of `data.robot` are explained under
[a robot of your own](../../experiments/README.md#a-robot-of-your-own); released configurations differ from these defaults as
`--list_configs` and their files in `experiments/` say.
"""


def main(arguments: list[str]) -> None:
    (output,) = arguments
    pathlib.Path(output).write_text(render(fields()), encoding="utf-8")


def meanings(source: str) -> dict[str, str]:
    """The comment of every field, by its path: above its line, at the end of that line, or at the end of its value."""
    comments = _comments(source)
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    found: dict[str, str] = {}
    for part, name in _PARTS.items():
        for node in ast.walk(functions[name]):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Dict):
                found |= _of_dict(node.args[0], part, comments, "")
                break
    return found


def render(fields: Mapping[str, tuple[str, str]]) -> str:
    """The page. `fields`: path -> default and meaning."""
    text, section = [_HEAD.rstrip()], None
    for path, (default, meaning) in fields.items():
        if (now := path.partition(".")[0] if "." in path else "") != section:
            section = now
            text += [
                "",
                f"## {f'config.{section}' if section else 'config'}",
                "",
                "| field | default | meaning |",
                "| --- | --- | --- |",
            ]
        text.append(f"| `{path}` | {default} | {_cell(meaning)} |")
    return "\n".join(text) + "\n"


def fields() -> dict[str, tuple[str, str]]:
    """Path -> default, with other models' where they differ, and meaning. Fields of the configuration itself come first.

    Raises:
        ValueError: a field without a comment.
    """
    said = meanings(inspect.getsource(schema))
    configs = {name: schema.base_config("NAME", make()) for name, make in schema.MODELS.items()}
    leaves = {name: dict(_leaves(config)) for name, config in configs.items()}
    found = {}
    for path, value in sorted(leaves["pi0"].items(), key=lambda item: "." in item[0]):
        meaning = said.get(path) or said.get(path.rpartition(".")[0])
        if not meaning:
            raise ValueError(f"openpi/config/schema.py: config.{path} has no comment that says what it means; add one")
        others = [(label, leaves[name].get(path)) for name, label in _MODELS.items() if leaves[name].get(path) != value]
        differing = ", ".join(f"{label}: {_value(other)}" for label, other in others)
        found[path] = (_value(value) + (f" ({differing})" if differing else ""), meaning)
    return found


def _leaves(config: schema.ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in config:
        path, value = f"{prefix}{name}", config[name]
        if isinstance(value, schema.ConfigDict) and len(value) and path not in _WHOLE and name != "repack":
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _value(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, schema.ConfigDict):
        return "see there" if "state" in value and "cameras" in value else f"`{value.to_dict()}`"
    return f"`{value!r}`"


def _of_dict(node: ast.Dict, prefix: str, comments: Mapping[int, tuple[bool, str]], inherited: str) -> dict[str, str]:
    found = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            continue
        path = f"{prefix}.{key.value}" if prefix else key.value
        own = _above(key.lineno, comments) + _at(key.lineno, comments)
        if not own and value.end_lineno not in (None, key.lineno):
            own = _at(value.end_lineno or key.lineno, comments)
        found[path] = " ".join(own) or inherited
        if isinstance(value, ast.Dict):
            found |= _of_dict(value, path, comments, found[path])
    return found


def _comments(source: str) -> dict[int, tuple[bool, str]]:
    """Line -> whether the comment has it to itself, and its text."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: (not token.line[: token.start[1]].strip(), token.string.removeprefix("#").strip())
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _above(line: int, comments: Mapping[int, tuple[bool, str]]) -> list[str]:
    texts: list[str] = []
    while (line := line - 1) in comments and comments[line][0]:
        texts.insert(0, comments[line][1])
    return texts


def _at(line: int, comments: Mapping[int, tuple[bool, str]]) -> list[str]:
    return [comments[line][1]] if line in comments and not comments[line][0] else []


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    main(sys.argv[1:])
