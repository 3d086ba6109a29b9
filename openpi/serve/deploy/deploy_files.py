"""What the deploy files say, for the tests beside: their texts, command lines and ports."""

import pathlib
import re
import shlex
from collections.abc import Sequence
from typing import Any

import yaml

from openpi.server import websocket_server

HERE = pathlib.Path(__file__).parent
PORT, HEALTH_PORT = 8000, 8001
USER = 10001
CACHE = "/var/cache/openpi"


def text(name: str) -> str:
    """One of the files."""
    return (HERE / name).read_text(encoding="utf-8")


def compose() -> dict[str, Any]:
    """The one service of the compose file."""
    return yaml.safe_load(text("compose.yaml"))["services"]["serve"]


def manifests() -> tuple[dict[str, Any], dict[str, Any]]:
    """Deployment and Service."""
    deployment, service = yaml.safe_load_all(text("kubernetes.yaml"))
    return deployment, service


def pod() -> dict[str, Any]:
    """What the Deployment says of each of its pods."""
    return manifests()[0]["spec"]["template"]["spec"]


def unit() -> dict[str, list[str]]:
    """The settings of the systemd unit: each with all of its values."""
    settings: dict[str, list[str]] = {}
    for line in text("openpi-serve.service").splitlines():
        if line and line[0] not in "#[":
            key, value = line.split("=", 1)
            settings.setdefault(key, []).append(value)
    return settings


def docker() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, lines joined: name and what it is told."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text("Dockerfile"), flags=re.MULTILINE))
    parts = [line.partition(" ") for line in joined.splitlines() if line]
    return [(name, told) for name, _, told in parts]


def docker_list(name: str) -> list[str]:
    """The last value of an instruction that is written as a list."""
    (value,) = [value for instruction, value in docker() if instruction == name]
    return yaml.safe_load(value[value.index("[") :])


def arguments() -> dict[str, list[str]]:
    """The command line of each file, after the program."""
    (start,) = unit()["ExecStart"]
    return {
        "Dockerfile": docker_list("CMD"),
        "compose.yaml": compose()["command"],
        "kubernetes.yaml": pod()["containers"][0]["args"],
        "openpi-serve.service": shlex.split(start)[1:],
    }


def flags(arguments: Sequence[str]) -> dict[str, str]:
    """The values of a command line's flags."""
    return dict(argument.removeprefix("--").split("=", 1) for argument in arguments)


def drain_seconds() -> float:
    """How long a server that stops may take: requests under way, and the closing handshake."""
    return websocket_server.Options().drain_seconds + 5
