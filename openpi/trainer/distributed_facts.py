"""What must be the same in every process of a training, and the line that says what is not."""

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from openpi.config import json_file, schema

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "ml_dtypes")


def of_config(config: schema.ConfigDict) -> dict[str, Any]:
    """Every field of the configuration, and the versions of what trains it: name -> value, as JSON can hold it."""
    facts = {f"package {name}": _version(name) for name in _PACKAGES}
    facts |= {"Python": platform.python_version(), "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "")}
    return dict(_leaves("config", json.loads(json_file.dumps(config)))) | facts


def of_devices() -> dict[str, Any]:
    """What this process computes on."""
    devices = jax.local_devices()
    return {"devices": f"{len(devices)} x {devices[0].device_kind}"}


def of_data(position: Mapping[str, Any], assets: Mapping[str, bytes]) -> dict[str, Any]:
    """What is trained on.

    Args:
      position: of the data loader.
      assets: statistics and codec: file name -> content.
    """
    digests = {f"{name} (its SHA-256)": hashlib.sha256(content).hexdigest() for name, content in assets.items()}
    return dict(_leaves("data", json.loads(json.dumps(position)))) | digests


def compare(facts: Mapping[int, Mapping[str, Any]]) -> None:
    """Raises ValueError with the first fact that a process has otherwise than process 0.

    Args:
      facts: process -> name -> value.
    """
    first = facts[0]
    for process, others in sorted(facts.items()):
        for name in (*first, *(name for name in others if name not in first)):
            here, there = first.get(name, "absent"), others.get(name, "absent")
            if here != there:
                raise ValueError(
                    f"the processes do not agree: {name} is {_shown(here)} in process 0 and {_shown(there)} in process {process}; "
                    "start all with the same configuration, code and data"
                )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # nothing in this program needs it
        return "absent"


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, entry in value.items():
            yield from _leaves(f"{name}.{key}", entry)
    else:
        yield name, value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
