"""Whether a command that a page shows can be what it says: its target, its flags and the fields that it sets exist."""

import re
import shlex
from collections.abc import Mapping

from openpi.config import load, schema, table
from openpi.docs import build_targets

_OURS = re.compile(r"(\w+=\S+ )*(tools/bazel|bazel|python) ")  # what a command of ours begins with
_READERS = ("...", "FILE.py", "my_robot.py", "NAME")  # configurations of the reader's choice: like the template


def problems(command: str, targets: Mapping[str, build_targets.Rule]) -> list[str]:
    """What is wrong with a command; nothing for one that starts no program of ours."""
    if not _OURS.match(command):
        return []  # another program, or what one printed
    words = shlex.split(command)
    while "=" in words[0]:
        words.pop(0)  # VARIABLE=value
    if words[:1] in (["tools/bazel"], ["bazel"]):
        return _bazel(words[1:], targets)
    if words[:2] == ["python", "-m"]:
        return _module(words[2], words[3:], targets)
    return []


def programs(command: str) -> list[str]:
    """Full labels of the programs that a command runs by Bazel."""
    words = shlex.split(command) if _OURS.match(command) else []
    if "run" not in words[:2]:
        return []
    own = words[: words.index("--")] if "--" in words else words
    return [build_targets.full(word) for word in own if word.startswith("//")]


def _bazel(words: list[str], targets: Mapping[str, build_targets.Rule]) -> list[str]:
    own, arguments = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    found = []
    for label in (word for word in own if word.startswith("//")):
        rule = build_targets.find(targets, label)
        if label.endswith("..."):
            continue
        if rule is None:
            found.append(f"{label} is no target")
        elif own[0] == "run" and rule.kind != "py_binary":
            found.append(f"{label} is a {rule.kind}, not a program")
        elif own[0] == "run":
            found += _flags(arguments, build_targets.flags(targets, label), label)
    return found


def _module(module: str, arguments: list[str], targets: Mapping[str, build_targets.Rule]) -> list[str]:
    if not module.startswith("openpi."):
        return []
    package, _, name = module.replace(".", "/").rpartition("/")
    label = f"//{package}:{name}"
    if label not in targets:
        return [f"python -m {module}: {label} is no target"]
    return _flags(arguments, build_targets.flags(targets, label), module)


def _flags(arguments: list[str], known: set[str], program: str) -> list[str]:
    found, config = [], schema.base_config("any")
    for word in arguments:
        name, _, value = word.removeprefix("--").partition("=")
        if word == "..." or not word.startswith("--"):
            continue
        if name in ("config", "config_name") and name in known:
            try:
                named = name == "config_name" and value not in _READERS
                config = load.load(table.config_path(value) if named else _file(value))
            except (ValueError, OSError) as error:
                found.append(str(error))
        elif name.startswith("config.") and "config" in known:
            found += [] if _field(config, name.split(".")[1:]) else [f"{word}: the configuration has no such field"]
        elif not _is_flag(name, known) and not _is_flag(name.removeprefix("no"), known):
            found.append(f"{word}: {program} has no such flag")
    return found


def _is_flag(name: str, known: set[str]) -> bool:
    return name in known or any(re.fullmatch(re.sub(r"\{\w+\}", r"\\w+", made), name) for made in known if "{" in made)


def _file(value: str) -> str:
    path, colon, variant = value.partition(":")
    return f"experiments/template.py{colon}{variant}" if path in _READERS else value


def _field(config: schema.ConfigDict, path: list[str]) -> bool:
    for name in path:
        if not isinstance(config, schema.ConfigDict) or name not in config:
            return False
        config = config[name]
    return True
