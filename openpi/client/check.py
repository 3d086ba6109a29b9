"""Tells whether a policy server is healthy.

    python -m openpi.client.check ws://localhost:8000

prints what the server says of itself, sends it some random observations, and draws how long the answers took. Exit code 0: it
answers; 1: it does not, and the last line says why; 2: wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openpi.client import robot_description, robot_observation, websocket_client_policy

_BAR = 40
_ALOHA_CAMERAS = ("cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist")


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the server that the arguments name. Returns the exit code."""
    options = _parser().parse_args(arguments)
    key = options.api_key_file.read_text().strip() if options.api_key_file else None
    print(f"server    {options.uri}")
    print(f"health    {_health(options.uri, options.timeout)}")
    try:
        with websocket_client_policy.WebsocketClientPolicy(
            options.uri, None, api_key=key, connect_timeout=options.timeout, infer_timeout=options.timeout
        ) as policy:
            metadata = policy.get_server_metadata()
            print(f"metadata  {json.dumps(metadata, default=str)}")
            observation = _observation(metadata, options.env)
            if observation is None:
                print("answers   not asked: the metadata describe no robot; give --env to send observations")
                return 0
            _measure(policy, observation, options.requests)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"FAILED    {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m openpi.client.check", description="Tells whether a policy server is healthy."
    )
    parser.add_argument("uri", type=_uri, help="address of the server: ws://host:port or wss://host:port")
    parser.add_argument("--requests", type=_positive, default=20, help="observations to send (default: 20)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for an answer (default: 60)")
    parser.add_argument("--api_key_file", type=pathlib.Path, help="file that holds the key")
    parser.add_argument("--env", choices=sorted(_EXAMPLES), help="robot, for servers that describe none")
    return parser


def _uri(text: str) -> str:
    if not text.startswith(("ws://", "wss://")):
        raise argparse.ArgumentTypeError(f"{text!r} must begin with ws:// or wss://")
    return text


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return int(text)


def _health(uri: str, timeout: float) -> str:
    """What GET /healthz says, in words."""
    parts = urllib.parse.urlsplit(uri)
    url = urllib.parse.urlunsplit((parts.scheme.replace("ws", "http"), parts.netloc, "/healthz", "", ""))
    try:
        with urllib.request.urlopen(url, timeout=timeout) as page:
            return f"{page.read(100).decode(errors='replace').strip()} ({url})"
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return f"no answer to {url}: {reason}"


def _observation(metadata: Mapping[str, Any], env: str | None) -> dict | None:
    rng = np.random.default_rng(0)
    if env:
        return _EXAMPLES[env](rng)
    if "robot" not in metadata:
        return None
    return robot_observation.make_example(robot_description.from_dict(metadata["robot"]), rng)


def _measure(policy: websocket_client_policy.WebsocketClientPolicy, observation: dict, requests: int) -> None:
    """Prints what an answer holds and how long `requests` of them took, after one to warm up."""
    answer = policy.infer(observation)
    shapes = {key: value.shape for key, value in answer.items() if isinstance(value, np.ndarray)}
    print(f"answers   {', '.join(f'{key} {list(shape)}' for key, shape in shapes.items()) or sorted(answer)}")
    total, inside = [], []
    for _ in range(requests):
        start = time.perf_counter()
        timing = policy.infer(observation).get("server_timing", {})
        total.append((time.perf_counter() - start) * 1000)
        inside.append(float(timing.get("infer_ms", np.nan)))
    print(f"\n{'ms':<22}{'median':>8}{'p90':>8}{'p99':>8}{'max':>8}")
    between = np.subtract(total, inside)
    for name, values in (("request", total), ("of it inference", inside), ("of it the rest", between)):
        if np.isfinite(values).all():
            figures = (*np.percentile(values, (50, 90, 99)), np.max(values))
            print(f"{name:<22}" + "".join(f"{figure:8.1f}" for figure in figures))
    print("\n" + "\n".join(draw_histogram(total)))


def draw_histogram(values: Sequence[float], bins: int = 10) -> list[str]:
    """Lines of text that show how many of the values lie where."""
    counts, edges = np.histogram(values, bins)
    return [
        f"{low:8.1f} – {high:6.1f} ms {'█' * round(_BAR * count / max(counts)):<{_BAR}} {count}"
        for low, high, count in zip(edges, edges[1:], counts)
    ]


def _image(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(256, size=shape, dtype=np.uint8)


# Observations as the published environments send them.
_EXAMPLES = {
    "ALOHA": lambda rng: {
        "state": np.ones(14),
        "images": {name: _image(rng, 3, 224, 224) for name in _ALOHA_CAMERAS},
        "prompt": "do something",
    },
    "DROID": lambda rng: {
        "observation/exterior_image_1_left": _image(rng, 224, 224, 3),
        "observation/wrist_image_left": _image(rng, 224, 224, 3),
        "observation/joint_position": rng.random(7),
        "observation/gripper_position": rng.random(1),
        "prompt": "do something",
    },
    "LIBERO": lambda rng: {
        "observation/state": rng.random(8),
        "observation/image": _image(rng, 224, 224, 3),
        "observation/wrist_image": _image(rng, 224, 224, 3),
        "prompt": "do something",
    },
}

if __name__ == "__main__":
    sys.exit(main())
